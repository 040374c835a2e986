"""What is measured of graded samples: strategies, curves, intervals, calibration, claims. No torch."""
