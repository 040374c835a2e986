"""The run folder: a recipe's steps, planned, checked and executed. Nothing here imports torch at import."""
