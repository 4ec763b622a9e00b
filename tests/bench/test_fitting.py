from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import fitting
from models.datasets import open_dataset

if TYPE_CHECKING:
    from pathlib import Path


def test_images_are_as_many_and_as_large_as_asked_for(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "SETS", {fitting.SOURCE: data})
    monkeypatch.setattr(fitting, "KNOWN", 2)

    fitting.write_images(tmp_path / "written", 2, 16)

    dataset = open_dataset(tmp_path / "written")
    assert [sample.name for sample in dataset.train] == ["train/good/0.png", "train/good/1.png"]
    assert dataset.train[0].image().shape == (16, 16, 3)
    assert sum(sample.is_anomalous for sample in dataset.test) == 4  # twice as many as are shown


@pytest.mark.parametrize(
    ("seconds", "mib", "judged"),
    [(180, 2560, "reached"), (181, 100, "**not reached**"), (10, 2561, "**not reached**")],
)
def test_a_budget_is_of_time_and_of_memory(seconds: float, mib: float, judged: str) -> None:
    budget = fitting.Budget("patchcore", 3)

    line = fitting._line(budget, {"fit_seconds": seconds, "peak_rss_mib": mib})

    assert line[0] == "patchcore"
    assert line[-1] == judged
