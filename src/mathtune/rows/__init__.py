"""Rows between stages: their types, files of them, and samples joined with grades and scores."""
