"""What `pages/move_the_cutoff.py` shows."""
