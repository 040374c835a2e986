"""From a tree to values and canonical keys."""
