"""Pages of a contact sheet."""

from __future__ import annotations

import pytest
import streamlit as st

from dashboard.contact_sheet import Pages, cell


@pytest.mark.parametrize(
    ("total", "shown", "number", "offset"),
    [(0, 1, 1, 0), (24, 1, 1, 0), (25, 2, 2, 24), (25, 5, 2, 24), (100, 3, 5, 48)],
)
def test_a_page_that_is_gone_gives_way_to_the_last_one(
    monkeypatch: pytest.MonkeyPatch, total: int, shown: int, number: int, offset: int
) -> None:
    monkeypatch.setattr(st, "session_state", {"sheet": shown})

    pages = Pages("sheet", total, 24)

    assert (pages.number, pages.offset) == (number, offset)


def test_a_picture_that_is_gone_keeps_its_marks() -> None:
    assert cell(None, "out", "<i>3</i>") == '<div class="lw-cell out"><p>missing</p><i>3</i></div>'
