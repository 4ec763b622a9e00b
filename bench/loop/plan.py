"""How much of everything a run takes; part of what identifies its result."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

#: What an operator's answers are like, and what is never shown to them.
ROUNDS, WRONG_ANSWERS, UNSEEN_CLASS = "rounds", "wrong-answers", "unseen-class"


@dataclass(frozen=True)
class Shares:
    """Which share of the parts is for what; the rest of each kind is streamed."""

    #: Of the good parts: the starting model is taught from them.
    taught: float = 0.27
    #: Of the good parts: imported as golden ones, one frame each.
    golden: float = 0.09
    #: Of the good parts: thresholds of the evaluation come from them.
    calibration: float = 0.20
    #: Of the good parts: what the figures are measured on, with the next.
    tested: float = 0.17
    #: Of the defective parts of each kind.
    tested_defects: float = 0.40
    #: Defective parts imported as golden ones, over all kinds; three of a kind at least.
    golden_defects: int = 15


@dataclass(frozen=True)
class Plan:
    """One run of the loop."""

    #: Name of the image set, one of `bench.development.SETS` or a folder.
    data: str
    scenario: str = ROUNDS
    #: Confirmed defects after which the line is trained anew.
    rounds: tuple[int, ...] = (5, 10, 20, 40)
    seed: int = 0
    #: Share of the answers that is wrong.
    wrong: float = 0.0
    #: The kind of defect that is never streamed; None: all are.
    unseen: str | None = None
    shares: Shares = field(default_factory=Shares)
    #: Chance that a streamed part is defective.
    defective: float = 1 / 3
    #: Share of the PASS frames that goes to blind review.
    audit_rate: float = 0.5
    #: Live frames a candidate scores in the shadow.
    shadow_frames: int = 30
    #: Share of good golden parts that a candidate may reject.
    false_rejects: float = 0.05
    #: Hyper-parameters that replace the fast preset's, by name.
    settings: tuple[tuple[str, Any], ...] = ()
    backbone: str | None = None
    weights: str | None = None
    runtime: str = "auto"

    def start(self) -> dict[str, Any]:
        """What the starting model depends on: the same for all scenarios of a set."""
        everything = asdict(self)
        names = ("data", "seed", "shares", "settings", "backbone", "weights", "runtime")
        return {name: everything[name] for name in names}
