"""The graders: whether an answer is right against a gold."""
