"""What the page shows, read in one go."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard.few_shot.words import UNNAMED
from db import defect_classes, samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from db.few_shot import FewShotSample, NotUsed
    from db.tables import Line


@dataclass(frozen=True, slots=True)
class FewShotView:
    """A line's few-shot set."""

    line_id: int
    line: str
    #: By class in the line's order, newest first.
    found: Sequence[FewShotSample]
    #: Defects the newest snapshot does not hold.
    waiting: int
    #: Good parts the next training learns from beside them.
    normals: int

    @property
    def used(self) -> int:
        """How many the next training uses."""
        return sum(one.why_not is None for one in self.found)

    @property
    def left_out(self) -> Counter[NotUsed]:
        """How many it leaves out, by reason."""
        return Counter(one.why_not for one in self.found if one.why_not is not None)

    def of_class(self, name: str) -> list[FewShotSample]:
        """Those of one class."""
        return [one for one in self.found if class_of(one) == name]


def class_of(one: FewShotSample) -> str:
    """The class's name as it is shown."""
    return one.defect_class or UNNAMED


def read(reads: Session, line: Line) -> FewShotView:
    """The set of a line as it is now."""
    known = defect_classes.list_classes(reads, line.id, with_retired=True)
    place = {one.name: position for position, one in enumerate(known)}

    def order(one: FewShotSample) -> tuple[bool, int, str]:
        name = one.defect_class
        return name is None, place.get(name or "", len(place)), name or ""

    found = sorted(samples.few_shot_set(reads, line.id), key=order)
    return FewShotView(
        line_id=line.id,
        line=line.name,
        found=found,
        waiting=samples.waiting_defects(reads, line.id, found),
        normals=samples.count_normals(reads, line.id),
    )
