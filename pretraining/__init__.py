"""How the embedded base model was made. Run from a checkout: `python -m pretraining.pretrain`."""
