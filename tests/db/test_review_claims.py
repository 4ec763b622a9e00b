"""A card is shown to one browser at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from db import inspections
from db.review_claims import CLAIM_S, claim, is_free_for, release, renew
from db.tables import Inspection, ReviewClaim

if TYPE_CHECKING:
    from conftest import RowMaker
    from sqlalchemy.engine import Engine

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
EXPIRED = NOW + timedelta(seconds=CLAIM_S)


@pytest.fixture
def ids(session: Session, make_row: RowMaker) -> list[int]:
    """Three flagged frames."""
    inspections.record(session, [make_row(verdict="REJECT") for _ in range(3)])
    session.commit()
    return list(session.scalars(select(Inspection.id).order_by(Inspection.id)))


def held(session: Session) -> dict[int, str]:
    """Who holds what."""
    rows = session.execute(select(ReviewClaim.inspection_id, ReviewClaim.holder))
    return dict(rows.all())


def test_the_first_free_one_is_claimed(session: Session, ids: list[int]) -> None:
    assert claim(session, "one", ids, now=NOW) == ids[0]
    assert claim(session, "two", ids, now=NOW) == ids[1]
    assert claim(session, "three", ids[:2], now=NOW) is None

    assert held(session) == {ids[0]: "one", ids[1]: "two"}


def test_going_on_frees_the_card_before(session: Session, ids: list[int]) -> None:
    claim(session, "one", ids, now=NOW)

    assert claim(session, "one", ids[1:], now=NOW) == ids[1]

    assert held(session) == {ids[1]: "one"}


def test_leaving_frees_everything(session: Session, ids: list[int]) -> None:
    claim(session, "one", ids, now=NOW)

    release(session, "one")

    assert held(session) == {}


def test_a_claim_is_renewed_by_its_holder_only(session: Session, ids: list[int]) -> None:
    claim(session, "one", ids, now=NOW)

    assert renew(session, "one", ids[0], now=NOW + timedelta(seconds=CLAIM_S / 2))
    assert not renew(session, "two", ids[0], now=EXPIRED)


def test_an_expired_claim_is_taken_over_and_then_lost(session: Session, ids: list[int]) -> None:
    claim(session, "one", ids, now=NOW)

    assert claim(session, "two", ids, now=EXPIRED) == ids[0]

    assert not renew(session, "one", ids[0], now=EXPIRED)
    assert held(session) == {ids[0]: "two"}


def test_what_others_hold_can_be_left_out_of_a_query(session: Session, ids: list[int]) -> None:
    claim(session, "one", ids, now=NOW)
    query = select(Inspection.id).order_by(Inspection.id)

    def free(holder: str, now: datetime) -> list[int]:
        return list(session.scalars(query.where(is_free_for(holder, now=now))))

    assert free("one", NOW) == ids
    assert free("two", NOW) == ids[1:]
    assert free("two", EXPIRED) == ids


@pytest.mark.parametrize("is_expired", [False, True])
def test_of_many_who_claim_at_once_one_gets_it(
    engine: Engine, session: Session, ids: list[int], is_expired: bool
) -> None:
    if is_expired:
        claim(session, "gone", ids[:1], now=NOW - timedelta(days=1))
        session.commit()

    def ask(holder: str) -> int | None:
        with Session(engine) as own, own.begin():
            return claim(own, holder, ids[:1], now=NOW)

    with ThreadPoolExecutor(6) as browsers:
        got = list(browsers.map(ask, [f"window {number}" for number in range(6)]))

    assert sorted(each is not None for each in got) == [False] * 5 + [True]


def test_browsers_that_swap_cards_do_not_block_each_other(
    engine: Engine, session: Session, ids: list[int]
) -> None:
    claim(session, "0", ids[:1])
    claim(session, "1", ids[1:2])
    session.commit()

    def swap(number: int) -> None:
        for round_ in range(30):
            with Session(engine) as own, own.begin():
                claim(own, str(number), [ids[(number + round_) % 3]])

    with ThreadPoolExecutor(2) as browsers:
        list(browsers.map(swap, range(2)))
