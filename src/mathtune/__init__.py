"""Fine-tune open language models to solve math problems and to judge their own solutions."""

__version__ = "0.1.0"
