"""How many samples a training needs, and what a line lacks of them."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Least:
    """How many samples of each use there are, or must be: by default what a training needs."""

    #: Goods to fit and to calibrate on; fewer teach a model nothing.
    goods: int = 12
    #: Defects to learn from; likewise.
    anomalies: int = 3
    #: What champion and candidate are compared on. With fewer nothing can be said: one good part
    #: more or less would move the false-reject rate by more than ten points, one defect the escape
    #: rate by more than thirty.
    golden_goods: int = 10
    golden_defects: int = 3


def least_for(*, is_compared: bool, learns_from_defects: bool) -> Least:
    """What a training needs.

    Args:
        is_compared: whether there is a champion to compare the candidate with.
        learns_from_defects: whether its detector does.
    """
    least = Least()
    if not learns_from_defects:
        least = replace(least, anomalies=0)
    if not is_compared:
        least = replace(least, golden_goods=0, golden_defects=0)
    return least


#: For a line's first model, which is compared with none and needs no defects.
FIRST_MODEL = least_for(is_compared=False, learns_from_defects=False)


def lacks(least: Least, there: Least) -> list[str]:
    """What is missing, with what to do for it, in words; nothing if a training can run.

    Args:
        least: how many there must be.
        there: how many there are.
    """
    uses = (
        ("good samples", least.goods, there.goods, "teach the line, or import some"),
        ("confirmed defects", least.anomalies, there.anomalies, "review flagged parts"),
        (
            "good golden samples",
            least.golden_goods,
            there.golden_goods,
            "review flagged and audit parts, of other lots too",
        ),
        (
            "golden defects",
            least.golden_defects,
            there.golden_defects,
            "confirm more defects, of other lots too",
        ),
    )
    return [
        f"{wanted} {what} wanted, {found} there: {remedy}"
        for what, wanted, found, remedy in uses
        if found < wanted
    ]
