"""`python -m mathtune`, also what `accelerate launch -m mathtune` starts."""

from mathtune.cli import main

if __name__ == "__main__":
    main()
