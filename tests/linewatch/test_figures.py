"""Figures for programs and for people."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from linewatch.figures import print_figures, write_json


def test_what_is_no_number_becomes_null(tmp_path: Path) -> None:
    write_json(tmp_path / "f.json", {"a": math.nan, "b": None, "c": 0.5, "d": Path("/x")})

    assert json.loads((tmp_path / "f.json").read_text()) == {
        "a": None,
        "b": None,
        "c": 0.5,
        "d": "/x",
    }


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "figures" / "f.json"
    file.mkdir(parents=True)  # cannot be replaced by a file

    with pytest.raises(OSError, match="directory"):
        write_json(file, {"a": 1})

    assert [path.name for path in file.parent.iterdir()] == ["f.json"]


def test_people_see_a_figure_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_figures({"image_auroc": 0.987654, "aupro": None, "known": [1, 2], "fps": 1234.5})

    assert capsys.readouterr().out.splitlines() == [
        "image auroc  0.9877",
        "aupro        –",
        "known        2",
        "fps          1234.5",
    ]
