"""What `pages/evidence_room.py` shows."""
