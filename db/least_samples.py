"""How many samples a training needs, and what a line lacks of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Least:
    """How many samples of each use a training must have."""

    #: Goods to fit and to calibrate on; fewer teach a model nothing.
    goods: int = 12
    #: Defects to learn from; likewise.
    anomalies: int = 3
    #: What champion and candidate are compared on. With fewer nothing can be said: one good part
    #: more or less would move the false-reject rate by more than ten points, one defect the escape
    #: rate by more than thirty.
    golden_goods: int = 10
    golden_defects: int = 3


@dataclass(frozen=True, slots=True)
class Lack:
    """Samples of one use that are too few."""

    #: What they are, in the plural.
    what: str
    wanted: int
    there: int
    #: What to do for more.
    remedy: str

    def __str__(self) -> str:
        """In words, for people."""
        return f"{self.wanted} {self.what} wanted, {self.there} there: {self.remedy}"


def least_for(*, is_compared: bool, learns_from_defects: bool) -> Least:
    """What a training needs.

    Args:
        is_compared: whether there is a champion to compare the candidate with.
        learns_from_defects: whether its detector does.
    """
    usual = Least()
    return Least(
        anomalies=usual.anomalies if learns_from_defects else 0,
        golden_goods=usual.golden_goods if is_compared else 0,
        golden_defects=usual.golden_defects if is_compared else 0,
    )


#: For a line's first model, which is compared with none and needs no defects.
FIRST_MODEL = least_for(is_compared=False, learns_from_defects=False)


def lacks(least: Least, there: Least) -> list[Lack]:
    """What is missing, with what to do for it; nothing if a training can run.

    Args:
        least: how many there must be.
        there: how many there are.
    """
    uses = (
        Lack("good samples", least.goods, there.goods, "teach the line, or import some"),
        Lack("confirmed defects", least.anomalies, there.anomalies, "review flagged parts"),
        Lack(
            "good golden samples",
            least.golden_goods,
            there.golden_goods,
            "review flagged and audit parts, of other lots too",
        ),
        Lack(
            "golden defects",
            least.golden_defects,
            there.golden_defects,
            "confirm more defects, of other lots too",
        ),
    )
    return [use for use in uses if use.there < use.wanted]
