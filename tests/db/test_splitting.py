"""Sides: golden and training frames never belong together, and no side ever changes."""

from __future__ import annotations

from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.splitting import Member, Split, hash_share
from db.tables import Side

TRAINING, GOLDEN, NEITHER = Side.TRAINING, Side.GOLDEN, Side.NEITHER


def member(number: int, **changes: object) -> Member:
    """A reviewed defect without part and lot."""
    values: dict[str, object] = {
        "source": "review",
        "label": "defect",
        "defect_class": "crack",
        "part_id": None,
        "lot_id": None,
    }
    return Member(UUID(int=number), **{**values, **changes})  # type: ignore[arg-type]


def keys() -> st.SearchStrategy[str | None]:
    return st.one_of(st.none(), st.sampled_from("abcdefgh"))


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Member], set[frozenset[int]]]:
    """Frames in an order of arrival, and which pairs of them are near-duplicates."""
    members = [
        member(
            number,
            source=draw(st.sampled_from(["review", "review", "teaching", "import"])),
            label=draw(st.sampled_from(["good", "defect"])),
            defect_class=draw(st.sampled_from(["crack", "hole"])),
            part_id=draw(keys()),
            lot_id=draw(keys()),
            wanted=draw(st.sampled_from([None, None, TRAINING, GOLDEN])),
        )
        for number in range(draw(st.integers(1, 40)))
    ]
    indices = st.integers(0, len(members) - 1)
    pairs = draw(st.lists(st.tuples(indices, indices), max_size=30))
    return members, {frozenset(pair) for pair in pairs if pair[0] != pair[1]}


def near_sides(place: int, sides: list[Side], near: set[frozenset[int]]) -> list[Side]:
    return [side for other, side in enumerate(sides) if frozenset((place, other)) in near]


@settings(max_examples=300, deadline=None)
@given(streams(), st.integers(0, 40), st.sampled_from([0.1, 0.2, 0.5]))
def test_the_sides_share_nothing_and_stay_as_they_are(
    stream: tuple[list[Member], set[frozenset[int]]], known: int, share: float
) -> None:
    members, near = stream
    sides: list[Side] = []
    split = Split(share)
    for place, one in enumerate(members):
        if place == known:  # the program starts anew, and reads what it has stored
            split = Split(share)
            for earlier, side in zip(members, sides, strict=False):
                split.know(earlier, side)
        sides.append(split.place(one, near_sides(place, sides, near)))

    for (i, one), (j, other) in combinations(enumerate(members), 2):
        if {sides[i], sides[j]} == {TRAINING, GOLDEN}:
            assert one.part_id is None or one.part_id != other.part_id
            assert one.lot_id is None or one.lot_id != other.lot_id
            assert frozenset((i, j)) not in near
    assert all(sides[i] is not GOLDEN for i, one in enumerate(members) if one.source == "teaching")
    assert all(
        one.wanted in (None, sides[i]) or sides[i] is NEITHER or one.source == "teaching"
        for i, one in enumerate(members)
    )


def test_it_joins_its_lot_its_part_and_its_near_duplicates() -> None:
    split = Split()
    split.know(member(1, lot_id="monday"), GOLDEN)
    split.know(member(2, part_id="p7"), TRAINING)

    assert split.place(member(3, lot_id="monday"), []) is GOLDEN
    assert split.place(member(4, part_id="p7"), []) is TRAINING
    assert split.place(member(5), [GOLDEN]) is GOLDEN


def test_what_belongs_with_both_sides_is_used_for_neither() -> None:
    split = Split()
    split.know(member(1, lot_id="monday"), GOLDEN)
    split.know(member(2, part_id="p7"), TRAINING)

    assert split.place(member(3, lot_id="monday", part_id="p7"), []) is NEITHER
    # Its part's and its lot's other frames go on as before.
    assert split.place(member(4, lot_id="monday"), []) is GOLDEN
    assert split.place(member(5, part_id="p7"), [NEITHER]) is TRAINING


def test_a_wanted_side_is_given_unless_its_neighbours_are_on_the_other() -> None:
    split = Split()
    split.know(member(1, lot_id="monday"), TRAINING)

    assert split.place(member(2, wanted=GOLDEN), []) is GOLDEN
    assert split.place(member(3, lot_id="monday", wanted=GOLDEN), []) is NEITHER
    assert split.place(member(4, lot_id="monday", wanted=TRAINING), []) is TRAINING


def test_frames_of_a_teaching_are_never_golden() -> None:
    split = Split()
    split.know(member(1, lot_id="monday"), GOLDEN)

    sides = {split.place(member(n, source="teaching", label="good"), []) for n in range(2, 60)}

    assert sides == {TRAINING}
    assert split.place(member(60, source="teaching", lot_id="monday"), []) is NEITHER


@pytest.mark.parametrize("first", range(0, 2_000, 40))
def test_of_every_class_the_golden_frames_stay_within_one_of_their_share(first: int) -> None:
    split = Split(0.2)

    sides = [split.place(member(first + n), []) for n in range(40)]

    for count in range(1, 41):
        assert abs(sides[:count].count(GOLDEN) - 0.2 * count) <= 1
    assert GOLDEN in sides[:5]
    assert TRAINING in sides[:2]


def test_the_draw_is_even_and_always_the_same() -> None:
    shares = [hash_share(f"lot:{number}") for number in range(5_000)]

    # Binomial(5,000, 0.2): mean 1,000, standard deviation 28; five of them on either side.
    assert 860 < sum(share < 0.2 for share in shares) < 1_140
    assert shares[0] == hash_share("lot:0")


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2])
def test_a_share_that_leaves_a_side_empty_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Split(share)
