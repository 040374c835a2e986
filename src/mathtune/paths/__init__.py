"""Reasoning paths: the equations of a solution, whether they hold, and which paths are distinct."""
