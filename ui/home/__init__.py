"""What `pages/home.py` shows."""
