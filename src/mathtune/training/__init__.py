"""Training: examples of an objective and a model in, a model out. One Trainer for every objective.

settings     the knobs (no torch)
examples     rows -> token sequences and the tokens whose log p is read
batches      sequences -> tensors; the order of an epoch
reading      how a model reads a batch: log p of its target tokens
objectives   one equation, one pure function
losses       log p of texts -> loss and accuracy of an objective
trainer      transformers' Trainer with our losses, their normalisation and our checkpoints
segment_attention  attention over sequences that follow each other in one row
llama_layers  layers and the output in few large operations, for CPUs
adapters     low-rank adapters on a frozen model
checkpoint   the files that an interrupted training continues from
curve        the course of a training: losses by update
watch        callbacks: the curve, the best weights, when to save and when to end
fit          one training from its start, or its last checkpoint, to its end
saving       the folder that a training leaves
card         the model's card, README.md
memory       the memory that a training needs, by calculation (no torch)
"""
