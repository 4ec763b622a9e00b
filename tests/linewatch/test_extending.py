"""`linewatch extend` and `linewatch forget`, and the ways these are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from linewatch.cli import run
from models.artifact import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Outcome

    Linewatch = Callable[..., Outcome]

pytestmark = pytest.mark.slow

KEYS = [
    "detector", "train_images_before", "train_images", "seconds", "threshold_before", "threshold",
    "model_dir",
]  # fmt: skip


@pytest.fixture(scope="module")
def cookies(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets, `old` and `new`, and a model of the old one."""
    root = tmp_path_factory.mktemp("cookies")
    pictures = sorted((shared_data / "cookie" / "train" / "good").iterdir())
    for name, some in (("old", pictures[:8]), ("new", pictures[8:12])):
        good = root / name / "train" / "good"
        good.mkdir(parents=True)
        for picture in some:
            (good / picture.name).symlink_to(picture)
    size = ["--set", "input_height=64", "--set", "input_width=64"]
    words = ["train", root / "old", "--detector", "patchcore", "--out", root / "model", *size]
    assert run([str(word) for word in words]) == 0
    return root


def refused(outcome: Outcome, *wanted: str) -> None:
    """Exit code 2 and one line on stderr that says all that is wanted."""
    assert (outcome.code, outcome.out) == (2, "")
    (line,) = outcome.err.splitlines()
    assert [text for text in ("linewatch: ", *wanted) if text not in line] == []


def test_images_are_added_and_forgotten(
    linewatch: Linewatch, cookies: Path, tmp_path: Path
) -> None:
    more, figures = tmp_path / "more", tmp_path / "figures.json"
    model = cookies / "model"

    added = linewatch("extend", model, cookies / "new", "--out", more, "--json", figures)

    assert added.code == 0, added.err
    told = json.loads(figures.read_text())
    assert list(told) == KEYS
    assert (told["train_images_before"], told["train_images"]) == (8, 12)
    assert told["model_dir"] == str(more)
    assert verify(more).thresholds.reject == told["threshold"]

    name = next((cookies / "new" / "train" / "good").iterdir()).name
    gone = linewatch("forget", more, f"train/good/{name}", "--out", tmp_path / "less")

    assert gone.code == 0, gone.err
    assert ["train", "images", "11"] in [line.split() for line in gone.out.splitlines()]
    assert verify(tmp_path / "less").train_images == 11


def test_what_cannot_be_is_one_line_and_writes_nothing(
    linewatch: Linewatch, cookies: Path, tmp_path: Path
) -> None:
    model, out = cookies / "model", tmp_path / "out"
    known = next((cookies / "old" / "train" / "good").iterdir()).name

    refused(
        linewatch("extend", model, cookies / "old", "--out", out),
        "8 image(s) of these names already", "give new images only",
    )  # fmt: skip
    refused(linewatch("extend", tmp_path, cookies / "new", "--out", out), "is no trained model")
    refused(linewatch("extend", model, tmp_path, "--out", out), "no folder train/good")
    refused(linewatch("extend", model, cookies / "new", "--out", model), "exists already")
    refused(
        linewatch("forget", model, known, "--out", out),
        f"no image '{known}'", f"train/good/{known}",
    )  # fmt: skip
    refused(linewatch("forget", model, "--out", out), "NAME...")

    assert not out.exists()
