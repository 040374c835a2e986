"""Worker processes that compare and can be killed."""
