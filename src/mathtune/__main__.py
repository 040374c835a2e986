"""The command `mathtune`, `python -m mathtune`, and what `accelerate launch -m mathtune` starts.

Signals are answered before the command line is imported.
"""

from mathtune.run.stopping import on_signals


def main() -> None:
    """Import the command line and start it."""
    with on_signals():
        from mathtune.cli.main import main as start

        start()


if __name__ == "__main__":
    main()
