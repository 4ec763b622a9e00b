from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.comparison import Comparison, Row, in_words, kinds_of, markdown, mean_over
from bench.run_once import AS_TRAINED
from bench.runs import Draw, Run
from bench.store import Store
from models.datasets import open_dataset

if TYPE_CHECKING:
    from pathlib import Path

# Any detector that exists: nothing is trained here.
PLAIN = Row("plain", "plain", Run("patchcore", smaller_coresets=(0.001,)))
SMALL = Row("plain", "small", PLAIN.run, 0.001)
SHOWN = Row("shown", "shown", Run("patchcore", shown=Draw(4)))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def put(
    store: Store, row: Row, data: Path, seed: int, scores: dict[str, float], auroc: float = 0.5
) -> None:
    """Store a run in which images score as said, and all others 0."""
    samples = {s.name: [s.defect, scores.get(s.name, 0.0)] for s in open_dataset(data).test}
    measured = {"report": {"pixel_auroc": auroc}, "scores": samples}
    record = {"measured": {AS_TRAINED: measured, "0.001": measured}, "trained": {"fit_seconds": 7}}
    store.put(row.run.on(str(data), seed), record)


def test_auroc_is_of_the_images_that_no_row_is_shown(store: Store, data: Path) -> None:
    drawn = Draw(4).names(open_dataset(data), 0)
    # PLAIN finds only those that SHOWN is shown: of what both are tested on, it finds nothing.
    put(store, PLAIN, data, 0, dict.fromkeys(drawn, 1.0))

    alone = Comparison(store, [PLAIN], [0]).aurocs(PLAIN, str(data))
    both = Comparison(store, [PLAIN, SHOWN], [0]).aurocs(PLAIN, str(data))

    # 4 of 8 defective ones above both good ones, the others level with them: (4 + 4 / 2) / 8.
    assert alone == {0: 0.75}
    assert both == {0: 0.5}


def test_auroc_of_a_kind_is_against_all_good_images(store: Store, data: Path) -> None:
    put(store, PLAIN, data, 0, {"test/dent/0.png": 2.0, "test/good/1.png": 1.0})
    compared = Comparison(store, [PLAIN], [0])

    # Pairs of a good and a dented one: 0.png above both; the other three level with one, below one.
    assert compared.aurocs(PLAIN, str(data), ["dent"]) == {0: (2 + 3 * 0.5) / 8}
    assert compared.aurocs(PLAIN, str(data), ["scratch"]) == {0: 4 * 0.5 / 8}


def test_difference_is_over_the_seeds_that_both_have(store: Store, data: Path) -> None:
    found = {f"test/dent/{number}.png": 1.0 for number in range(4)}
    apart = Draw(4).names(open_dataset(data), 1)
    put(store, PLAIN, data, 0, found)
    put(store, PLAIN, data, 1, {})
    put(store, SHOWN, data, 1, {s.name: 1.0 for s in open_dataset(data).test if s.is_anomalous})
    compared = Comparison(store, [PLAIN, SHOWN], [0, 1, 2])

    assert len(apart) == 4
    assert compared.difference(SHOWN, PLAIN, str(data)) == 1.0 - 0.5


def test_missing_runs_are_named(store: Store, data: Path) -> None:
    put(store, PLAIN, data, 0, {})
    compared = Comparison(store, [PLAIN, SMALL, SHOWN], [0, 1])

    assert compared.missing(str(data)) == [
        "plain, seed 1",
        "small, seed 1",
        "shown, seed 0 1",
    ]
    assert compared.aurocs(SHOWN, str(data)) == {}
    assert compared.difference(PLAIN, SHOWN, str(data)) is None


def test_rows_of_one_training_make_one_run_and_the_first_seed_comes_first(data: Path) -> None:
    runs = Comparison(Store(), [PLAIN, SMALL, SHOWN], [0, 1]).runs([str(data), "elpv"])

    assert [(run.shown.count, run.data, run.seed) for run in runs] == [
        (0, str(data), 0),
        (0, "elpv", 0),
        (4, str(data), 0),
        (4, "elpv", 0),
        (0, str(data), 1),
        (0, "elpv", 1),
        (4, str(data), 1),
        (4, "elpv", 1),
    ]


def test_figures_of_evaluation_and_training_are_found(store: Store, data: Path) -> None:
    put(store, PLAIN, data, 0, {}, auroc=0.25)
    compared = Comparison(store, [PLAIN, SMALL], [0, 1])

    assert compared.reported(PLAIN, str(data), "pixel_auroc") == {0: 0.25}
    assert compared.reported(SMALL, str(data), "fit_seconds") == {0: 7}


def test_figures_say_how_many_seeds_they_are_of() -> None:
    # Deviation of 0.9 and 1.0: sqrt(2 * 0.05^2 / 1) = 0.0707.
    assert in_words({0: 0.9, 1: 1.0}, 2) == "0.950 ± 0.071"
    assert in_words({0: 0.9, 1: 1.0}, 3) == "0.950 ± 0.071 (2 of 3)"
    assert in_words({0: 0.9}, 3) == "0.900 (1 of 3)"
    assert in_words({0: None}, 1) == "–"
    assert in_words({}, 3) == "–"


def test_a_mean_over_sets_needs_all_of_them() -> None:
    assert mean_over([0.5, 1.0]) == "0.750"
    assert mean_over([0.5, None]) == "–"


def test_a_table_is_markdown() -> None:
    assert markdown(["", "a"], [["row", "1"]]) == "|  | a |\n| --- | --- |\n| row | 1 |"


def test_the_kinds_of_a_set_are_those_of_its_defects(data: Path) -> None:
    assert kinds_of(str(data)) == ["dent", "scratch"]
