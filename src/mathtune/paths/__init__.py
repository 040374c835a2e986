"""Reasoning paths: a solution's equations, their check, and the choice of distinct paths."""
