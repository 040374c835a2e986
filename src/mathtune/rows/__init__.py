"""Rows between stages: their types, their files, and samples joined with grades and scores."""
