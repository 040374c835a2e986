"""Training: examples of an objective and a model in, a model out. One Trainer for every objective.

settings     the knobs (no torch)
examples     rows -> token sequences and the tokens whose log p is read
batches      sequences -> tensors; the order of an epoch
trainer      transformers' Trainer with our losses, their normalisation and our checkpoints
checkpoint   what a training leaves on disk to be continued from
"""
