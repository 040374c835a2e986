"""`mathtune push_to_hub`: a trained model and its card to a hub. Part of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mathtune.cli.options import RUNS
from mathtune.errors import InputError, one_line
from mathtune.run.fingerprint import SUMS
from mathtune.run.names import PLAN
from mathtune.run.progress import say
from mathtune.stages.train import ADAPTER, MODEL
from mathtune.training.card import CARD

app = typer.Typer()


@app.command("push_to_hub", rich_help_panel=RUNS)
def push_to_hub(
    step: Annotated[Path, typer.Argument(metavar="STEP", help="A train step's folder.")],
    repo: Annotated[
        str | None, typer.Argument(metavar="[USER/NAME]", help="None: the card is only written.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="If it is new: for you alone.")
    ] = False,
) -> None:
    """Push a trained model with its card, made from the run: training, accuracies, command.

    The hub is the one that HF_ENDPOINT names, the key that of HF_TOKEN or `hf auth login`. Example:

    mathtune push_to_hub runs/quickstart/ssft me/my-solver
    """
    folder = step.expanduser().absolute()
    model = next((folder / name for name in (MODEL, ADAPTER) if (folder / name).is_dir()), None)
    if model is None:
        raise InputError(f"{step}: holds no model; expected the folder of a train step.")
    card = _card(folder)
    say(f"wrote {card / CARD}")
    if repo is not None:
        say(f"pushed to {_pushed(repo, model, card, private=private)}")


def _card(folder: Path) -> Path:
    """Write the card with the run's results; return its folder. Without a run it must exist."""
    run = next((parent for parent in folder.parents if (parent / PLAN).is_file()), None)
    if run is not None:
        from mathtune.report import cards

        return cards.write(run, folder.relative_to(run).as_posix())
    if not (folder / CARD).is_file():
        raise InputError(
            f"{folder}: has no README.md; expected the folder of a finished train step."
        )
    return folder


def _pushed(repo: str, model: Path, card: Path, *, private: bool) -> str:
    """Send all files as one commit; return its address.

    Raises:
        InputError: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

    files = {path.relative_to(model).as_posix(): path for path in sorted(model.rglob("*"))}
    files |= {CARD: card / CARD}
    files |= {f".eval_results/{path.name}": path for path in card.glob(".eval_results/*.yaml")}
    operations: list[Any] = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=path)
        for name, path in files.items()
        if path.is_file() and name != SUMS  # which is only useful here
    ]
    api = HfApi(library_name="mathtune")
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        done = api.create_commit(
            repo, operations, commit_message="Model and card, written by mathtune"
        )
    except HFValidationError as error:
        raise InputError(
            f"{repo}: no name of a repository ({error}); expected USER/NAME."
        ) from None
    except OfflineModeIsEnabled:
        raise InputError("push_to_hub: HF_HUB_OFFLINE is set; expected it unset.") from None
    except Exception as error:  # the hub's client has passed on those of three network libraries
        reason = one_line(error)
        raise InputError(
            f"{repo}: cannot be pushed to {api.endpoint} ({reason}); the card is in {card}."
        ) from None
    return str(done.commit_url)
