"""What `pages/compare.py` shows."""
