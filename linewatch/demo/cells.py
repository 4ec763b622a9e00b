"""Which pictures the demo's cameras see, and in which order: the same every time."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from ingest.encoding import media_type_of
from ingest.sources.picture import EndlessSupply, Picture

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from threading import Event

    from linewatch.demo.ledger import Ledger
    from models.datasets import Sample


@dataclass(frozen=True)
class Share:
    """What one camera shows."""

    #: Gone through again and again.
    samples: list[Sample]
    #: Frames in all; None: no end.
    frames: int | None


def interleave(samples: Sequence[Sample]) -> list[Sample]:
    """Spread good and defective parts evenly, so that every stretch has about the same mix.

    Within each kind the order is that of the names' hashes: in the order of the names, parts of one
    module or batch follow each other, and the first hundred would not be like the rest.
    """
    mixed = sorted(samples, key=lambda sample: hashlib.sha256(sample.name.encode()).digest())
    groups = (
        [sample for sample in mixed if not sample.is_anomalous],
        [sample for sample in mixed if sample.is_anomalous],
    )
    placed = [
        ((index + 0.5) / len(group), kind, sample)
        for kind, group in enumerate(groups)
        for index, sample in enumerate(group)
    ]
    return [sample for _, _, sample in sorted(placed, key=lambda entry: entry[:2])]


def share_out(sequence: Sequence[Sample], cameras: int, frames: int | None) -> list[Share]:
    """Deal the sequence to cameras, the good and the defective in turn each.

    Dealing frame by frame would let one camera see all defects where every second part has one.
    """
    dealt = {False: itertools.count(), True: itertools.count()}
    turns = [next(dealt[sample.is_anomalous]) % cameras for sample in sequence]
    shares = []
    for camera in range(cameras):
        own = [sample for sample, turn in zip(sequence, turns, strict=True) if turn == camera]
        count = None
        if frames is not None:
            rounds, rest = divmod(frames, len(sequence))
            count = rounds * len(own) + turns[:rest].count(camera)
        shares.append(Share(own, count))
    return shares


class CellSource(EndlessSupply):
    """Shows a camera's share, files as they are, and enters every frame in the ledger."""

    live = False

    def __init__(self, share: Share, ledger: Ledger) -> None:
        self.label = "demo"
        self._share = share
        self._ledger = ledger

    def pictures(self, stop: Event) -> Generator[Picture]:
        """The share's pictures in their order."""
        shown = itertools.islice(itertools.cycle(self._share.samples), self._share.frames)
        for sample in shown:
            if stop.is_set():
                return
            data = sample.read()
            media_type = media_type_of(data, sample.path.suffix)
            frame_id = uuid7()
            self._ledger.enter(frame_id, sample)
            yield Picture(data, media_type, part_id=sample.path.stem, frame_id=frame_id)

    def done(self, picture: Picture) -> None:
        """The frame is in the stream."""
        self._ledger.count_sent()
