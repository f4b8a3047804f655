"""A lesson over the pages: nine steps, answered from stored reports."""
