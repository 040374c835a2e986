"""The run folder: a recipe's steps, planned, checked and executed. Imports no torch."""
