"""What `pages/noise_microscope.py` shows."""
