"""What `pages/cutoff.py` shows."""
