"""What `pages/reproduce.py` shows."""
