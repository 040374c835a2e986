"""The command line: commands read settings and hand over."""
