"""The dashboard's entry: the pages a person may see, and the log-in before them.

`linewatch dashboard` serves it through `dashboard/server.py`, which keeps log-ins in a cookie.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from dashboard import login
from dashboard.actor import demand, may
from db.tables import Role

HERE = Path(__file__).parent
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 176 32" width="176" height="32">
<circle cx="13" cy="16" r="11" fill="none" stroke="#0b5a8a" stroke-width="4"/>
<path d="M1 16h24" stroke="#0b5a8a" stroke-width="4"/>
<text x="36" y="23.5" fill="#12181d" font-family="sans-serif" font-size="24" font-weight="600"
>linewatch</text>
</svg>"""


@dataclass(frozen=True, slots=True)
class PageEntry:
    """A page of the navigation."""

    file: str
    title: str
    #: Who may see it.
    role: Role


#: In the order of the navigation; the first one is the home page.
PAGES = (
    PageEntry("live.py", "Live", Role.OPERATOR),
    PageEntry("review.py", "Review", Role.OPERATOR),
    PageEntry("quality.py", "Quality", Role.OPERATOR),
    PageEntry("few_shot.py", "Few-shot set", Role.ENGINEER),
    PageEntry("models.py", "Models", Role.OPERATOR),
    PageEntry("teach.py", "Teach a line", Role.ENGINEER),
    PageEntry("audit.py", "Audit", Role.ADMIN),
    PageEntry("users.py", "Users", Role.ADMIN),
)


def main() -> None:
    """Lay out what every page has, let the person in, then run the chosen page."""
    st.set_page_config(page_title="linewatch", layout="wide", initial_sidebar_state="collapsed")
    st.html(HERE / "theme.css")
    st.logo(LOGO, size="large")
    is_in = login.let_in()
    # Every page is known whatever a person may: an address typed by hand, or opened before the
    # log-in, leads to a clear word and not to another page.
    needed = {_page(entry, is_in): entry.role for entry in PAGES}
    page = st.navigation(list(needed), position="top" if is_in else "hidden")
    login.watch()
    if not is_in:
        login.show()
        return
    # Not above: the page that asks for the log-in needs none of it, and comes sooner without.
    from dashboard import account, deciding

    login.keep_cookie()
    account.show()
    demand(needed[page])
    if page.url_path != "review":
        deciding.leave()
    page.run()


def _page(entry: PageEntry, is_in: bool) -> st.Page:
    shown = is_in and may(entry.role)
    return st.Page(
        HERE / "views" / entry.file,
        title=entry.title,
        default=entry is PAGES[0],
        visibility="visible" if shown else "hidden",
    )


if __name__ == "__main__":
    main()
