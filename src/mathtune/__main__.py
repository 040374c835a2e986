"""`python -m mathtune`, also what `accelerate launch -m mathtune` starts."""

from mathtune.cli.main import main

if __name__ == "__main__":
    main()
