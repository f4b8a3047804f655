"""What `pages/watch_it_memorize.py` shows."""
