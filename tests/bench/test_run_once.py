from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from bench.runs import Draw, Run
from bench.store import Store, do_all
from models.patchcore.coreset import greedy_coreset

if TYPE_CHECKING:
    from pathlib import Path


def test_a_smaller_coreset_is_the_beginning_of_a_larger_one() -> None:
    points = torch.randn(5000, 8, generator=torch.Generator().manual_seed(0))

    large = greedy_coreset(points, 50, seed=3)

    for count in (1, 7, 20):
        assert torch.equal(greedy_coreset(points, count, seed=3), large[:count])


@pytest.mark.slow
def test_a_run_is_trained_measured_and_stored(data: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    # 1 of the 2 images is fitted: 16 patches at this size and stride.
    small = (("input_height", 32), ("input_width", 32), ("strides", (8,)))
    run = Run(
        "patchcore",
        str(data),
        settings=(*small, ("coreset_fraction", 0.5)),
        apart=(Draw(4),),
        smaller_coresets=(0.25,),
    )

    assert do_all(store, [run]) == []

    record = store.find(run)
    assert record is not None
    assert Run.from_json(json.dumps(record["run"])) == run
    assert record["trained"]["train_images"] == 2
    assert set(record["measured"]) == {"", "0.25"}
    for measured in record["measured"].values():
        assert measured["report"]["images"] == 6  # 10, without the 4 set apart
        assert len(measured["scores"]) == 10
