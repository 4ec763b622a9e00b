from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import accuracy
from bench.accuracy import KINDS_SET, SEEDS, summary
from bench.run_once import AS_TRAINED
from bench.store import Store
from models.datasets import open_dataset
from models.detector import detector_names

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def sets(data: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The tiny set as both."""
    monkeypatch.setattr(accuracy, "SEEN", ("dent",))
    monkeypatch.setattr(accuracy, "HARDLY_VISIBLE", "dent")
    return {KINDS_SET: str(data), "parts": str(data)}


def test_the_summary_says_what_is_there_and_what_is_missing(
    sets: dict[str, str], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accuracy, "ROWS", (accuracy.PATCHCORE, accuracy.PATCHCORE_SMALL))
    monkeypatch.setattr(accuracy, "WANTED", ((accuracy.PATCHCORE, accuracy.PATCHCORE_SMALL, None),))
    store = Store(tmp_path / "runs")
    scores = {s.name: [s.defect, float(s.defect == "scratch")] for s in open_dataset(data).test}
    measured = {"report": {"pixel_auroc": 0.9, "aupro": None}, "scores": scores}
    for seed in SEEDS[:2]:
        store.put(
            accuracy.PATCHCORE.run.on(str(data), seed),
            {"measured": {AS_TRAINED: measured, "0.001": measured}, "trained": {"fit_seconds": 5}},
        )

    text = summary(store, sets)

    # Four scratched above both good ones, four dented level with them: 0.75, and 1.0 without them.
    figure = "0.750 ± 0.000 (2 of 3)"
    assert f"| PatchCore | {figure} | {figure} | 0.750 | 1.000 ± 0.000 (2 of 3) |" in text
    assert "| PatchCore | 0.500 ± 0.000 (2 of 3) | 1.000 ± 0.000 (2 of 3) |" in text
    assert "| +0.0000 | +0.0000 | +0.0000 | above 0 | **not reached** |" in text
    assert "- parts: PatchCore, seed 2; PatchCore, coreset 0.001, seed 2" in text


def test_every_row_is_of_a_detector_that_exists() -> None:
    detectors = {row.run.detector for row in (*accuracy.ROWS, accuracy.BGAD_SEEN)}

    assert detectors == set(detector_names())


@pytest.mark.parametrize(
    ("names", "count"), [([], 10), (["bgad"], 3), (["bgad-0"], 1), (["patchcore", "cutswap"], 4)]
)
def test_rows_are_chosen_by_name(names: list[str], count: int) -> None:
    rows = (*accuracy.ROWS, accuracy.BGAD_SEEN)

    assert sum(accuracy._is_asked_for(row, names) for row in rows) == count
