"""What `pages/noise.py` shows."""
