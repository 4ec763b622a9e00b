from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest

from bench import ablation
from bench.ablation import parse_axis
from bench.ablation_tables import TABLES
from bench.runs import Draw
from models.detector import detector_class

if TYPE_CHECKING:
    from pathlib import Path

    from models.hyperparameters import Hyperparameters


def fast_preset(detector: str) -> Hyperparameters:
    package = detector_class(detector).__module__.rpartition(".")[0]
    preset: Hyperparameters = importlib.import_module(f"{package}.parameters").PRESETS["fast"]
    return preset


@pytest.mark.parametrize("name", list(TABLES))
def test_every_table_changes_hyper_parameters_that_exist(name: str, data: Path) -> None:
    rows = TABLES[name].rows(str(data))

    assert len({row.label for row in rows}) == len(rows) > 1
    for row in rows:
        changed = fast_preset(row.run.detector).changed(dict(row.run.settings))
        assert {key: getattr(changed, key) for key, _ in row.run.settings} == dict(row.run.settings)
        assert row.coreset is None or row.coreset in row.run.smaller_coresets


def test_bgad_is_shown_one_kind_at_a_time(data: Path) -> None:
    rows = TABLES["bgad-unseen"].rows(str(data))

    # Half of the four that there are.
    assert [row.run.shown for row in rows] == [Draw(), Draw(2, ("dent",)), Draw(2, ("scratch",))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1,2", ("a", (1, 2))),
        ("a=0.5", ("a", (0.5,))),
        ("strides=[8],[8,16]", ("strides", ((8,), (8, 16)))),
        ("cluster=max,min", ("cluster", ("max", "min"))),
        ("limit=null,true", ("limit", (None, True))),
    ],
)
def test_an_axis_is_read_as_json_where_it_is(text: str, expected: tuple[str, object]) -> None:
    assert parse_axis(text) == expected


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--detector", "patchcore", "--set", "a"], "expected NAME=VALUE"),
        ([], "needs --detector"),
    ],
)
def test_a_grid_that_cannot_be_read_is_one_line_and_code_2(
    data: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablation.main(["free", str(data), *arguments]) == 2
    assert says in capsys.readouterr().out


def test_a_free_grid_writes_its_table_with_what_is_missing(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.md"
    axes = ["--set", "neighbours=1,3", "--set", "reweight=true"]
    command = ["free", str(data), "--detector", "patchcore", "--seeds", "0", *axes]

    assert ablation.main([*command, "--summary", "--out", str(out)]) == 0

    text = out.read_text(encoding="utf-8")
    assert "| neighbours=1, reweight=True | – |" in text
    assert "- neighbours=3, reweight=True, seed 0" in text
