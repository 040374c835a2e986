"""Training: examples of an objective and a model in, a model out. One Trainer for every objective.

settings     the knobs (no torch)
examples     rows -> token sequences and the tokens whose log p is read
batches      sequences -> tensors; the order of an epoch
losses       log p of texts -> loss and accuracy of an objective
trainer      transformers' Trainer with our losses, their normalisation and our checkpoints
packed       attention over sequences that stand one behind the other
fused        layers and the output in few large operations, for CPUs
checkpoint   what a training leaves on disk to be continued from
curve        and what it leaves of its course
watch        who looks on: curve, best weights, when to save and when to end
fit          one training from its start, or its last checkpoint, to its end
"""
