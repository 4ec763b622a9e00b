"""The Audit page against a real database, without a browser."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.orm import Session

from dashboard.views import audit as view
from db import audit
from db.access import Actor, trusted
from db.audit import AuditFilter
from db.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.testing.v1 import AppTest

    from tests.dashboard.conftest import Plant

    Opener = Callable[[str], AppTest]
    Reader = Callable[[AppTest], str]


@pytest.fixture
def tell(plant: Plant) -> Callable[..., None]:
    """Adds an event."""

    def add(
        actor: str = "anna", action: str = "line.added", subject: str = "line:press", **details: Any
    ) -> None:
        with Session(plant.engine) as session, session.begin():
            audit.append(session, actor=trusted(actor), action=action, subject=subject, **details)

    return add


def cells(html: str) -> list[list[str]]:
    """The rows of the table, without tags."""
    rows = html.split("<tbody>")[1].split("<tr>")[1:]
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td>(.*?)</td>", row)]
        for row in rows
    ]


def test_events_are_shown_newest_first_with_their_details(
    tell: Callable[..., None], open_page: Opener, html_of: Reader
) -> None:
    tell("anna", "model.activated", "line:press", number=3, replaced=None, reason="")
    tell("<i>eve", "thresholds.set", "line:press", review=0.12345678, classes=["crack", "pore"])

    newest, oldest = cells(html_of(open_page("audit")))

    assert newest[1:4] == ["&lt;i&gt;eve", "thresholds.set", "line:press"]
    assert newest[4] == "review 0.123457classes [&quot;crack&quot;, &quot;pore&quot;]"
    assert oldest[1:] == ["anna", "model.activated", "line:press", "number 3"]


def test_an_empty_trail_is_said(plant: Plant, open_page: Opener, html_of: Reader) -> None:
    assert "Nothing was changed" in html_of(open_page("audit"))


def test_a_hundred_events_a_page_and_back(
    tell: Callable[..., None], open_page: Opener, html_of: Reader
) -> None:
    for number in range(205):
        tell(number=number)
    page = open_page("audit")

    def shown() -> tuple[str, str, int]:
        rows = cells(html_of(page))
        return rows[0][4], rows[-1][4], len(rows)

    def turn(label: str) -> None:
        next(button for button in page.button if button.label == label).click().run()

    assert shown() == ("number 204", "number 105", 100)
    turn("Older")
    assert shown() == ("number 104", "number 5", 100)
    turn("Older")
    assert shown() == ("number 4", "number 0", 5)
    assert [b.disabled for b in page.button if b.label in ("Newer", "Older")] == [False, True]
    turn("Newer")
    turn("Newer")
    assert shown() == ("number 204", "number 105", 100)


def test_a_filter_shows_what_fits_from_the_first_page_on(
    tell: Callable[..., None], open_page: Opener, html_of: Reader
) -> None:
    for number in range(101):
        tell("anna", number=number)
    tell("bert", "user.added", "user:carl")
    page = open_page("audit")
    next(button for button in page.button if button.label == "Older").click().run()

    page.selectbox(key="audit-Who").select("bert").run()

    assert [row[1:4] for row in cells(html_of(page))] == [["bert", "user.added", "user:carl"]]
    page.selectbox(key="audit-What").select("line.added").run()
    assert "No event fits" in html_of(page)


def test_dates_are_the_viewers_and_include_both_days(
    tell: Callable[..., None], open_page: Opener, html_of: Reader
) -> None:
    tell()
    page = open_page("audit")
    today = datetime.now().astimezone().date()

    page.date_input(key="audit-From").set_value(today).run()
    page.date_input(key="audit-To").set_value(today).run()
    assert len(cells(html_of(page))) == 1
    page.date_input(key="audit-To").set_value(today - timedelta(days=1)).run()
    assert "No event fits" in html_of(page)


def test_the_export_holds_what_fits_and_no_formulas(
    tell: Callable[..., None], plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell("anna", number=1, note="a, b")
    tell("=1+1", "user.added", "user:x")
    monkeypatch.setattr(view, "current_actor", lambda: trusted("test"))

    rows = list(csv.reader(view._csv(AuditFilter()).decode("utf-8-sig").splitlines()))
    only = list(csv.reader(view._csv(AuditFilter(actor="anna")).decode("utf-8-sig").splitlines()))

    assert rows[0] == ["id", "at_utc", "actor", "action", "subject", "details"]
    assert rows[1][2:] == ["'=1+1", "user.added", "user:x", "{}"]
    assert rows[2][2:5] == ["anna", "line.added", "line:press"]
    assert rows[2][5] == '{"note": "a, b", "number": 1}'
    assert datetime.fromisoformat(rows[1][1]).tzinfo == UTC
    assert len(only) == 2


def test_the_export_is_refused_to_others(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "current_actor", lambda: Actor("otto"))

    with pytest.raises(Forbidden):
        view._csv(AuditFilter())
