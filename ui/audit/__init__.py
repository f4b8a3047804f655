"""What `pages/audit.py` shows."""
