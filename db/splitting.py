"""Which side a labelled frame is on: the machine learns from it, is judged by it, or neither.

The two sides never share a part, a lot or a near-duplicate. A frame's side follows from the frames
that came before it, and once given it stays, so the split is stable however the data grow:

- Its neighbours are all earlier frames of its part or its lot, and its near-duplicates. If those on
  a side are all on the same one, it joins them; if they are on both, it is used for neither.
- Without neighbours, a hash of its lot (else its part, else the frame) draws the side. The draw is
  overruled where golden frames of its kind are a whole frame behind their share, or ahead of it:
  so the fifth confirmed defect at the latest is a golden one, and the first ones are not all.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.tables import SampleSource, Side

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

#: Share of the labelled frames that the machine is judged by.
GOLDEN_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Member:
    """What a labelled frame's side depends on, besides its near-duplicates."""

    frame_id: UUID
    source: str
    label: str
    defect_class: str | None
    part_id: str | None
    lot_id: str | None
    #: The side somebody chose for it, such as an import's test folder; None: it is drawn.
    wanted: Side | None = None

    @property
    def kind(self) -> tuple[str, str, str | None]:
        """Among those like it, golden ones have their share. Of each source: teaching gives none,
        and must not make up for that among the reviewed frames.
        """
        return self.source, self.label, self.defect_class

    @property
    def group_key(self) -> str:
        """What its side is drawn by."""
        if self.lot_id is not None:
            return f"lot:{self.lot_id}"
        return f"part:{self.part_id}" if self.part_id is not None else f"frame:{self.frame_id}"


class Split:
    """The sides of a line's labelled frames, grown one frame at a time."""

    def __init__(self, golden_share: float = GOLDEN_SHARE) -> None:
        if not 0 < golden_share < 1:
            raise ValueError(f"golden_share is {golden_share}: use a share between 0 and 1")
        self._golden_share = golden_share
        self._of_part: defaultdict[str, set[Side]] = defaultdict(set)
        self._of_lot: defaultdict[str, set[Side]] = defaultdict(set)
        self._count: Counter[tuple[tuple[str, str, str | None], Side]] = Counter()

    def know(self, member: Member, side: Side) -> None:
        """Take in a frame that has its side."""
        if member.part_id is not None:
            self._of_part[member.part_id].add(side)
        if member.lot_id is not None:
            self._of_lot[member.lot_id].add(side)
        self._count[member.kind, side] += 1

    def place(self, member: Member, near_duplicates: Iterable[Side]) -> Side:
        """Give a new frame its side, and take it in.

        Args:
            near_duplicates: the sides of its near-duplicates among the frames known so far.
        """
        neighbours = set(near_duplicates)
        if member.part_id is not None:
            neighbours |= self._of_part[member.part_id]
        if member.lot_id is not None:
            neighbours |= self._of_lot[member.lot_id]
        side = self._chosen(member, neighbours - {Side.NEITHER})
        self.know(member, side)
        return side

    def _chosen(self, member: Member, neighbours: set[Side]) -> Side:
        if len(neighbours) > 1:
            return Side.NEITHER
        # Golden frames are reviewed ones: those collected to teach a line were only glanced at.
        wanted = Side.TRAINING if member.source == SampleSource.TEACHING else member.wanted
        if not neighbours:
            return wanted or self._drawn(member)
        side = neighbours.pop()
        return side if wanted in (None, side) else Side.NEITHER

    def _drawn(self, member: Member) -> Side:
        golden = self._count[member.kind, Side.GOLDEN]
        count = golden + self._count[member.kind, Side.TRAINING] + 1
        missing = self._golden_share * count - golden
        if missing >= 1:
            return Side.GOLDEN
        if missing < 0:
            return Side.TRAINING
        is_golden = hash_share(member.group_key) < self._golden_share
        return Side.GOLDEN if is_golden else Side.TRAINING


def hash_share(key: str) -> float:
    """A number from 0 to below 1 that is always the same for `key`, evenly spread over keys."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6]) / 2**48
