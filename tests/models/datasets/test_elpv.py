"""The solar cells of elpv-dataset: split by file name, the doubtful ones apart."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from models.datasets import Sample, open_dataset
from models.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

if find_spec("elpv_dataset") is None and not os.environ.get("CI"):
    pytest.skip("elpv-dataset is not installed", allow_module_level=True)


def names(samples: list[Sample]) -> set[str]:
    return {sample.name for sample in samples}


@pytest.mark.parametrize(
    # Counted in labels.csv: good, 1/3 and 2/3, defective. 80 % of 588 is 470.4, of 920 it is 736.
    ("kind", "train", "good", "uncertain", "defective"),
    [("mono", 470, 118, 117 + 56, 313), ("poly", 736, 184, 178 + 50, 402)],
)
def test_cells_are_counted_by_their_labels(
    kind: str, train: int, good: int, uncertain: int, defective: int
) -> None:
    dataset = open_dataset(f"elpv:{kind}")

    assert len(dataset.train) == train
    assert sum(not sample.is_anomalous for sample in dataset.test) == good
    assert sum(sample.is_anomalous for sample in dataset.test) == defective
    assert len(dataset.uncertain) == uncertain
    assert not any(sample.is_anomalous for sample in dataset.train)


def test_no_cell_is_in_two_parts() -> None:
    dataset = open_dataset("elpv")

    parts = [names(dataset.train), names(dataset.test), names(dataset.uncertain)]

    assert sum(map(len, parts)) == len(set.union(*parts)) == 2624


def test_both_kinds_together_are_split_as_each_alone() -> None:
    both, mono, poly = (open_dataset(spec) for spec in ("elpv", "elpv:mono", "elpv:poly"))

    assert names(both.train) == names(mono.train) | names(poly.train)
    assert names(both.test) == names(mono.test) | names(poly.test)


def test_the_split_never_changes() -> None:
    # The order of sha256("images/cell….png"), computed once with sha256sum.
    good_test = [s.name for s in open_dataset("elpv:mono").test if not s.is_anomalous]

    assert good_test[:3] == ["images/cell0060.png", "images/cell0413.png", "images/cell0449.png"]


def test_a_cell_can_be_read() -> None:
    sample = open_dataset("elpv:mono").train[0]

    assert sample.image().shape == (300, 300, 3)
    assert sample.mask(300, 300) is None


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DatasetError, match="elpv, elpv:mono or elpv:poly"):
        open_dataset("elpv:thin")


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "elpv_dataset", raising=False)
    monkeypatch.setattr(sys, "path_importer_cache", {})

    with pytest.raises(DatasetError, match=r"pip install 'linewatch\[demo\]'"):
        open_dataset("elpv")


def test_a_package_without_its_labels_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elpv_dataset").mkdir()
    (tmp_path / "elpv_dataset/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "elpv_dataset", raising=False)

    with pytest.raises(DatasetError, match=r"labels\.csv is missing"):
        open_dataset("elpv")


def test_a_folder_that_is_called_elpv_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(DatasetError, match="data folder elpv does not exist"):
        open_dataset("./elpv")
