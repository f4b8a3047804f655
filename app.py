"""Ambient Explorer: the frame around its pages. Start with `streamlit run app.py`."""

from ui.frame import navigate

navigate().run()
