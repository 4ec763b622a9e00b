"""Which images a detector is fitted on, and which it is shown."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from models.datasets import Dataset, Sample
from models.errors import DatasetError
from models.splitting import choose_anomalies, split_held_out


def sample(name: str, defect: str = "good") -> Sample:
    return Sample(name, Path(name), defect, None, "train" if defect == "good" else "test")


GOOD = [sample(f"train/good/{index}.png") for index in range(10)]


def dataset(**defects: int) -> Dataset:
    test = [sample(f"test/{kind}/{n}.png", kind) for kind in defects for n in range(defects[kind])]
    return Dataset("parts", GOOD, [sample("test/good/0.png"), *test])


def test_a_fifth_of_the_good_images_is_held_out_by_seed() -> None:
    fitted, held_out = split_held_out(GOOD, seed=0)

    assert (len(fitted), len(held_out)) == (8, 2)
    assert sorted(one.name for one in fitted + held_out) == [one.name for one in GOOD]
    assert split_held_out(GOOD, seed=0) == (fitted, held_out)
    assert any(split_held_out(GOOD, seed=seed)[1] != held_out for seed in range(1, 4))


@pytest.mark.parametrize(("count", "held_out"), [(2, 1), (3, 1), (7, 1), (8, 2), (400, 80)])
def test_something_is_left_to_fit_and_to_calibrate_on(count: int, held_out: int) -> None:
    # A fifth, rounded, but one at least.
    split = split_held_out([sample(str(index)) for index in range(count)], seed=0)

    assert tuple(map(len, split)) == (count - held_out, held_out)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_are_refused(count: int) -> None:
    with pytest.raises(DatasetError, match=f"{count} good training image.*at least 2"):
        split_held_out(GOOD[:count], seed=0)


def test_known_anomalies_are_spread_over_the_kinds_of_defects() -> None:
    # 10 // 3 = 3 of each, and one more of any.
    chosen = choose_anomalies(dataset(crack=20, fray=4, hole=30), 10, seed=0)

    counts = Counter(one.defect for one in chosen)
    assert sorted(counts.values()) == [3, 3, 4]
    assert len({one.name for one in chosen}) == 10


def test_a_rare_defect_gives_what_it_has() -> None:
    # 9 // 3 = 3 of each, but there is one fray only: the other two come from the rest.
    counts = Counter(
        one.defect for one in choose_anomalies(dataset(crack=9, fray=1, hole=9), 9, seed=3)
    )

    assert counts["fray"] == 1
    assert counts.total() == 9


def test_known_anomalies_depend_on_the_seed_only() -> None:
    data = dataset(crack=20, fray=20)

    assert choose_anomalies(data, 6, seed=1) == choose_anomalies(data, 6, seed=1)
    assert choose_anomalies(data, 6, seed=1) != choose_anomalies(data, 6, seed=2)
    assert choose_anomalies(data, 0, seed=1) == []


def test_known_anomalies_are_of_the_kinds_wanted() -> None:
    data = dataset(crack=5, fray=5, hole=5)

    chosen = choose_anomalies(data, 4, seed=0, kinds=["hole", "crack", "hole"])

    assert Counter(one.defect for one in chosen) == {"crack": 2, "hole": 2}
    # The order in which they were named changes nothing.
    assert chosen == choose_anomalies(data, 4, seed=0, kinds=["crack", "hole"])


def test_all_that_there_are_can_be_shown() -> None:
    assert len(choose_anomalies(dataset(crack=3, fray=1), 4, seed=0)) == 4


def test_more_known_anomalies_than_there_are_are_refused() -> None:
    data = dataset(crack=3, fray=9)

    with pytest.raises(DatasetError, match="13 known anomalies wanted, the test set has 12 def"):
        choose_anomalies(data, 13, seed=0)
    with pytest.raises(DatasetError, match=r"4 known .* has 3 defective images of crack: ask for"):
        choose_anomalies(data, 4, seed=0, kinds=["crack"])
    with pytest.raises(DatasetError, match="1 known anomalies wanted, the test set has 0"):
        choose_anomalies(dataset(), 1, seed=0)


@pytest.mark.parametrize("kind", ["crakc", "good"])
def test_an_unknown_kind_of_defect_is_told_the_known_ones(kind: str) -> None:
    with pytest.raises(DatasetError, match=f"parts has no defect '{kind}': .* are crack, fray$"):
        choose_anomalies(dataset(crack=3, fray=1), 1, seed=0, kinds=["crack", kind])


def test_where_no_part_is_defective_there_are_no_kinds() -> None:
    with pytest.raises(DatasetError, match="are none, its test set has no defective images"):
        choose_anomalies(dataset(), 1, seed=0, kinds=["crack"])


def test_a_negative_number_of_known_anomalies_is_refused() -> None:
    with pytest.raises(ValueError, match="anomalies is -1"):
        choose_anomalies(dataset(crack=3), -1, seed=0)
