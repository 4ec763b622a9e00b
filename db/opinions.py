"""What people's words on an inspection come to: where it waits next, and whose word counts.

Pure rules on the reviews that stand, oldest first; `db.reviews` applies them after every event.

- Nobody spoke: it waits where the machine put it. Dismissed: nowhere, and it counts for nothing.
- One person suffices, but for `defect` on a line that wants two.
- `unsure` asks for a second opinion, which only somebody else can give.
- Two people who differ leave it to a third, whose word counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import literal_column, select
from sqlalchemy.orm import aliased

from db.errors import NotFound
from db.tables import Decision, Inspection, Review, ReviewQueue, SampleLabel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

LABELS = {Decision.DEFECT.value: SampleLabel.DEFECT, Decision.GOOD.value: SampleLabel.GOOD}
#: Queues in which nobody is asked about their own word.
OF_SOMEBODY_ELSE = (ReviewQueue.SECOND_OPINION, ReviewQueue.DISAGREEMENT)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The word that counts on an inspection."""

    label: SampleLabel
    defect_class: str | None
    #: Where the defect is, in the image store; None: nobody said.
    mask_key: str | None
    #: The review that says so.
    review_id: int


@dataclass(slots=True)
class Outcome:
    """What the reviews that stand come to."""

    #: Each person's own word since the last dispute was settled, in the order given.
    words: dict[str, Review] = field(default_factory=dict)
    #: The last review of any kind.
    last: Review | None = None
    #: Whether somebody settled a dispute; their word needs no second one.
    was_settled: bool = False

    @property
    def is_disputed(self) -> bool:
        """Whether people differ and nobody has settled it."""
        return len({review.decision for review in self.words.values()}) > 1

    def queue(self, unreviewed: str | None, *, needs_second_opinion: bool) -> str | None:
        """The queue it waits in; `unreviewed` is that of an inspection nobody spoke on."""
        if self.last is None:
            return unreviewed
        if self.last.decision == Decision.DISMISSED.value:
            return None
        if self.is_disputed:
            return ReviewQueue.DISAGREEMENT.value
        if self.last.decision == Decision.UNSURE.value:
            return ReviewQueue.SECOND_OPINION.value
        is_alone = len(self.words) == 1 and self.last.decision == Decision.DEFECT.value
        if needs_second_opinion and is_alone and not self.was_settled:
            return ReviewQueue.SECOND_OPINION.value
        return None

    def confirmed(self, waits_in: str | None) -> Review | None:
        """The review that counts while the inspection waits in that queue, or in none."""
        return self.word if waits_in is None else None

    @property
    def word(self) -> Review | None:
        """The review that counts once the inspection waits in no queue."""
        if self.last is None or self.last.decision not in LABELS or self.is_disputed:
            return None
        return self.last


def outcome(reviews: Iterable[Review]) -> Outcome:
    """Weigh the reviews that stand, oldest first."""
    found = Outcome()
    for review in reviews:
        found.last = review
        if review.decision not in LABELS:
            continue
        if found.is_disputed and review.reviewer not in found.words:
            found.words = {review.reviewer: review}
            found.was_settled = True
        else:
            found.words.pop(review.reviewer, None)
            found.words[review.reviewer] = review
    return found


def standing(session: Session, inspection_id: int) -> list[Review]:
    """An inspection's reviews that were not undone, oldest first."""
    query = select(Review).where(Review.inspection_id == inspection_id, *stands())
    return list(session.scalars(query.order_by(Review.id)))


def stands(review: type[Review] = Review) -> tuple[ColumnElement[bool], ...]:
    """Conditions on Review: it is a decision, and it was not undone."""
    return review.decision != Decision.UNDO.value, was_not_undone(review)


def was_not_undone(review: type[Review] = Review) -> ColumnElement[bool]:
    """Condition on Review, which may be an undo itself."""
    later = aliased(Review)
    return ~select(literal_column("1")).where(later.undoes_id == review.id).exists()


def confirmed(session: Session, inspection_id: int) -> Confirmed | None:
    """The word that counts now.

    None while the inspection waits in a queue (unreviewed, unsure, disputed, or wanting a second
    opinion), after a dismissal, and where nobody spoke.

    Raises:
        NotFound: if there is no such inspection.
    """
    waits_in = session.execute(
        select(Inspection.queue).where(Inspection.id == inspection_id)
    ).one_or_none()
    if waits_in is None:
        raise NotFound(f"there is no inspection {inspection_id}")
    word = outcome(standing(session, inspection_id)).confirmed(waits_in.queue)
    if word is None:
        return None
    is_defect = word.decision == Decision.DEFECT.value
    return Confirmed(
        LABELS[word.decision],
        word.defect_class if is_defect else None,
        word.mask_key if is_defect else None,
        word.id,
    )
