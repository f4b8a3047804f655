"""Ambient Explorer: the frame around its pages. Start with `streamlit run app.py`."""

from ui.frame import navigate, onward

try:
    navigate().run()
finally:  # a page may end early
    onward()
