"""Rows of files that others wrote, and the meaning of their values. Under problems and samples.

sources     the files of a command, unpacked
formats     rows of JSON Lines, JSON, CSV, parquet, Arrow, inspect logs (documents: JSON, archives)
paths       a value of a row by its path
texts       a value as solutions, as a question, as golds
names       what a field's name suggests
head        the first rows of a file, by paths
gold_field  the field of the golds, by what the rows hold
"""
