"""Ambient Explorer: the frame around its pages. Start with `streamlit run app.py`."""

from ui.frame import navigate, onward
from ui.lesson.panel import show_step

try:
    navigate(above=show_step).run()
finally:  # a page may end early
    onward()
