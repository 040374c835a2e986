"""The stages: what each step of a run does, its settings and the files it writes. Below recipes."""
