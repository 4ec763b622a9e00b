"""The dashboard's entry: `streamlit run dashboard/app.py`, which `linewatch dashboard` does."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 176 32" width="176" height="32">
<circle cx="13" cy="16" r="11" fill="none" stroke="#0b5a8a" stroke-width="4"/>
<path d="M1 16h24" stroke="#0b5a8a" stroke-width="4"/>
<text x="36" y="23.5" fill="#12181d" font-family="sans-serif" font-size="24" font-weight="600"
>linewatch</text>
</svg>"""


def main() -> None:
    """Lay out what every page has, then run the chosen page."""
    st.set_page_config(page_title="linewatch", layout="wide", initial_sidebar_state="collapsed")
    st.html(HERE / "theme.css")
    st.logo(LOGO, size="large")
    page = st.navigation(
        [
            st.Page(HERE / "views" / "live.py", title="Live", default=True),
            st.Page(HERE / "views" / "review.py", title="Review"),
        ],
        position="top",
    )
    page.run()


if __name__ == "__main__":
    main()
