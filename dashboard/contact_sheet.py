"""What contact sheets and lists are made of: pages of a few, and pieces that are pressed whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.markup import plain_label

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Pages:
    """A sheet that has been cut into pages."""

    #: The widget's key, under which the page on show is kept.
    key: str
    total: int
    per_page: int

    @property
    def number(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // self.per_page))

    @property
    def offset(self) -> int:
        """How many pieces stand before the page on show."""
        shown = min(int(st.session_state.get(self.key, 1)), self.number)
        return self.per_page * (shown - 1)

    def show(self) -> None:
        """The way to the other pages; nothing if there are none."""
        if self.number > 1:
            with st.container(key="sheet-pages", horizontal_alignment="center"):
                st.pagination(self.number, key=self.key)


def pressable(
    name: str, html: str, label: str, *, key: str, press: Callable[..., None], argument: object
) -> None:
    """A piece of HTML under a button as large as itself.

    Args:
        name: of the container, unique on the page.
        html: what is seen.
        label: what the button says to whoever does not see.
        key: the button's.
        press: called with `argument`.
        argument: which piece it is.
    """
    with st.container(key=f"press-{name}"):
        st.html(html)
        st.button(plain_label(label), key=key, on_click=press, args=(argument,), width="stretch")


def cell(uri: str | None, kind: str, marks: str = "") -> str:
    """A picture on a sheet as HTML, with what is written on it.

    Args:
        uri: the picture; None: the store does not have it.
        kind: the cell's CSS class.
        marks: HTML.
    """
    image = f'<img decoding="sync" alt="" src="{uri}">' if uri else "<p>missing</p>"
    return f'<div class="lw-cell {kind}">{image}{marks}</div>'
