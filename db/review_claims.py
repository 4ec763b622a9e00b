"""Claims: a card is shown to one person at a time.

A claim ends when its holder goes on to another card or decides, and by itself after `CLAIM_S` where
a browser was closed: whoever shows a card renews its claim well before. Nothing waits for anybody:
what another browser holds is passed over.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, literal_column, or_, select, update

from db.inserting import insert_if_absent
from db.tables import Inspection, ReviewClaim, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

#: How long a claim holds that is not renewed.
CLAIM_S = 60.0


def claim(
    session: Session, holder: str, candidates: Iterable[int], *, now: datetime | None = None
) -> int | None:
    """Claim the first of some inspections that nobody else holds; the holder's others are freed.

    Of several browsers that ask at once, one gets it. Only a row that is gained is locked, and the
    own ones are freed last: two transactions cannot wait for each other.

    Args:
        holder: the browser session.
        candidates: inspection ids, the wanted one first; one claimed by `holder` is renewed.
        now: for tests.

    Returns:
        The inspection that is now the holder's; None if others hold them all.
    """
    now = now or utc_now()
    claimed = next((each for each in candidates if _take(session, holder, each, now)), None)
    release(session, holder, but=claimed)
    return claimed


def renew(
    session: Session, holder: str, inspection_id: int, *, now: datetime | None = None
) -> bool:
    """Hold a card that is on show for longer; False if somebody else has taken it over."""
    return _take(session, holder, inspection_id, now or utc_now())


def release(session: Session, holder: str, *, but: int | None = None) -> None:
    """Free all cards of a browser session, or all `but` one."""
    gone = delete(ReviewClaim).where(ReviewClaim.holder == holder)
    session.execute(gone if but is None else gone.where(ReviewClaim.inspection_id != but))


def is_free_for(holder: str, *, now: datetime | None = None) -> ColumnElement[bool]:
    """Condition on Inspection: no other browser session holds it."""
    held: Select[Any] = select(literal_column("1")).where(
        ReviewClaim.inspection_id == Inspection.id,
        ReviewClaim.holder != holder,
        ReviewClaim.expires_at > (now or utc_now()),
    )
    return ~held.exists()


def _take(session: Session, holder: str, inspection_id: int, now: datetime) -> bool:
    until = now + timedelta(seconds=CLAIM_S)
    own_or_expired = (
        update(ReviewClaim)
        .where(
            ReviewClaim.inspection_id == inspection_id,
            or_(ReviewClaim.holder == holder, ReviewClaim.expires_at <= now),
        )
        .values(holder=holder, expires_at=until)
        .returning(ReviewClaim.inspection_id)
        .execution_options(synchronize_session=False)
    )
    if session.scalar(own_or_expired) is not None:
        return True
    new = insert_if_absent(session, ReviewClaim).values(
        inspection_id=inspection_id, holder=holder, expires_at=until
    )
    return session.scalar(new.returning(ReviewClaim.inspection_id)) is not None
