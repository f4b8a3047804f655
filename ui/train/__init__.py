"""What `pages/train.py` shows: cards to start from, and a training as it goes."""
