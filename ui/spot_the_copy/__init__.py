"""What `pages/spot_the_copy.py` shows."""
