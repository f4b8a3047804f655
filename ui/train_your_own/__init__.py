"""What `pages/train_your_own.py` shows."""
