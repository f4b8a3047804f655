"""The only place that knows both streamlit and ambient: frame, cached reads, pictures, words."""
