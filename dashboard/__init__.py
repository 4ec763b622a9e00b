"""Streamlit pages for the operators."""
