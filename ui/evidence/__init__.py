"""What `pages/evidence.py` shows."""
