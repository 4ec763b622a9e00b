"""A page's change: whole or not at all, and told in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.changing import NOT_STORED, attempt
from db.access import trusted
from db.errors import Conflict
from db.lines import add_line, list_lines

if TYPE_CHECKING:
    from tests.dashboard.conftest import Plant

# It forgets the engine of the test before.
pytestmark = pytest.mark.usefixtures("open_page")

ANNA = trusted("anna")


def lines(plant: Plant) -> list[str]:
    with Session(plant.engine) as session:
        return [line.name for line in list_lines(session)]


def test_a_change_is_committed(plant: Plant) -> None:
    assert attempt(lambda s: add_line(s, "press", actor=ANNA)) is None

    assert lines(plant) == ["press"]


def test_a_refusal_is_given_back_in_words_and_nothing_is_kept(plant: Plant) -> None:
    def change(session: Session) -> None:
        add_line(session, "press", actor=ANNA)
        raise Conflict("there is something else already")

    assert attempt(change) == "There is something else already"
    assert lines(plant) == []


def test_a_database_that_fails_is_logged_and_told_calmly(
    plant: Plant, log: list[dict[str, object]]
) -> None:
    assert attempt(lambda s: s.execute(text("SELECT * FROM nowhere"))) == NOT_STORED

    assert [entry["event"] for entry in log] == ["change_not_stored"]
