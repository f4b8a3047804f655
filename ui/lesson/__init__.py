"""The lesson: eight questions, a figure each, answered from stored reports."""
