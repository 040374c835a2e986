"""The graders: they decide if an answer agrees with a gold."""
