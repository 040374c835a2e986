"""Strategies, curves, intervals, calibration and claims of graded samples. No torch."""
