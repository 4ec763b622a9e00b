"""The operator: what is known of each part answers for a person, through the review queues."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np
from sqlalchemy.orm import Session

from db.access import Actor
from db.masks import encode_mask, put_mask
from db.review_queue import Wanted, take
from db.reviews import add_review
from db.tables import Decision, ReviewQueue
from models.images import decode
from models.maps import decode_map

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Engine

    from bench.loop.parts import Frame
    from db.inspections import InspectionView
    from db.store import ImageStore
    from models.datasets import Sample

NAME = "operator"


@dataclass
class Answers:
    """How many answers were given."""

    defect: int = 0
    good: int = 0
    #: Of both: how many were not the truth.
    wrong: int = 0
    #: Of all: how many came from the blind audit.
    audited: int = 0


@dataclass
class Operator:
    """Reviews what waits, one card at a time, until so many defects are confirmed."""

    engine: Engine
    store: ImageStore
    line_id: int
    #: The classes to choose from.
    kinds: Sequence[str]
    #: Share of the answers that is wrong.
    wrong: float
    rng: np.random.Generator
    answers: Answers = field(default_factory=Answers)
    _truth: dict[str, Sample] = field(default_factory=dict)

    def learn(self, frames: Iterable[Frame]) -> None:
        """Know the truth of parts that are about to come."""
        self._truth |= {one.part: one.sample for one in frames}

    def review(self, until: int) -> None:
        """Answer cards, flagged ones first, until none waits or `until` defects are confirmed."""
        while self.answers.defect < until:
            card = self._next_card()
            if card is None:
                return
            self._answer(card)

    def _next_card(self) -> InspectionView | None:
        for queue in (ReviewQueue.FLAGGED, ReviewQueue.AUDIT):
            wanted = Wanted((self.line_id,), queue, reviewer=NAME, holder=NAME)
            with Session(self.engine) as session, session.begin():
                cards = take(session, wanted)
            if cards:
                return cards[0]
        return None

    def _answer(self, card: InspectionView) -> None:
        assert card.part_id is not None
        truth = self._truth[card.part_id]
        is_wrong = bool(self.rng.random() < self.wrong)
        is_defect = truth.is_anomalous != is_wrong
        kind = mask_key = None
        if is_defect:
            named = str(self.rng.choice(list(self.kinds)))
            kind = truth.defect if truth.is_anomalous else named
            mask_key = self._mask_key(card, truth)
        decision = Decision.DEFECT if is_defect else Decision.GOOD
        with Session(self.engine) as session, session.begin():
            add_review(
                session,
                card.id,
                decision,
                reviewer=Actor(NAME),
                defect_class=kind,
                mask_key=mask_key,
            )
        self.answers.defect += is_defect
        self.answers.good += not is_defect
        self.answers.wrong += is_wrong
        self.answers.audited += card.queue == ReviewQueue.AUDIT

    def _mask_key(self, card: InspectionView, truth: Sample) -> str | None:
        """The mask that was drawn of the defect; where there is none, the one proposed."""
        assert card.image_key is not None
        height, width = decode(self.store.get(card.image_key)).shape[:2]
        marked = truth.mask(height, width) if truth.is_anomalous else None
        if marked is None:
            marked = self._proposed(card, height, width)
        if marked is None or not marked.any():
            return None
        return put_mask(self.store, encode_mask(marked), height_px=height, width_px=width)

    def _proposed(self, card: InspectionView, height: int, width: int) -> np.ndarray | None:
        """As the page proposes it: where the anomaly map exceeds what good parts show."""
        if card.map_key is None or card.map_low is None or card.map_high is None:
            return None
        anomaly_map = decode_map(self.store.get(card.map_key), card.map_low, card.map_high)
        enlarged = cv2.resize(anomaly_map, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(enlarged >= (card.map_review or np.inf))
