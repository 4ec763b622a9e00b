"""Training, measuring and registering from the command line, and the ways these are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Outcome

    Linewatch = Callable[..., Outcome]

pytestmark = pytest.mark.slow

TRAIN_KEYS = [
    "detector", "backbone", "seed", "train_images", "known_anomalies", "fit_seconds",
    "peak_rss_mib", "threshold", "model_dir",
]  # fmt: skip
EVALUATE_KEYS = {
    "image_auroc", "pixel_auroc", "aupro", "image_f1_max", "false_reject_rate", "escape_rate",
    "ms_per_image_p50", "images", "detector", "backbone", "runtime",
}  # fmt: skip


@pytest.fixture(scope="module")
def cookies(shared_data: Path) -> Path:
    return shared_data / "cookie"


def refused(outcome: Outcome, *wanted: str) -> None:
    """Exit code 2 and one line on stderr that says all that is wanted."""
    assert outcome.code == 2
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert line.startswith("linewatch: ")
    for text in wanted:
        assert text in line


def write(path: Path, value: int, size: tuple[int, int] = (40, 50)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full(size, value, dtype=np.uint8))
    return path


@pytest.fixture
def bolts(tmp_path: Path) -> Path:
    """A few grey pictures in MVTec layout: enough to be refused for what a test changes."""
    root = tmp_path / "bolts"
    for index in range(4):
        write(root / f"train/good/{index}.png", 90 + index)
    write(root / "test/good/9.png", 90)
    for kind in ("dent", "scratch"):
        write(root / f"test/{kind}/0.png", 140)
        write(root / f"ground_truth/{kind}/0_mask.png", 255)
    return root


def test_a_missing_or_foreign_data_folder_is_one_line_and_writes_nothing(
    linewatch: Linewatch, tmp_path: Path
) -> None:
    out = tmp_path / "model"

    for data in (tmp_path / "nowhere", tmp_path):
        refused(linewatch("train", data, "--detector", "patchcore", "--out", out), str(data))

    assert not out.exists()


def test_an_unknown_detector_or_backbone_is_one_line_and_writes_nothing(
    linewatch: Linewatch, cookies: Path, tmp_path: Path
) -> None:
    words = ["train", cookies, "--out", tmp_path / "model"]

    refused(linewatch(*words, "--detector", "patchcoer"), "'patchcoer'", "patchcore")
    refused(
        linewatch(*words, "--detector", "patchcore", "--backbone", "resnet0"), "backbone 'resnet0'"
    )

    refused(
        linewatch(*words, "--detector", "patchcore", "--weights", tmp_path / "none.pth"), "none.pth"
    )

    assert [path.name for path in tmp_path.iterdir() if "model" in path.name] == []


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--anomalies", 3], ["3 known anomalies wanted", "has 2 defective", "ask for fewer"]),
        (["--anomalies", 2, "--defect", "dent"], ["has 1 defective images of dent"]),
        (["--anomalies", 1, "--defect", "dnet"], ["no defect 'dnet'", "dent, scratch"]),
        (["--defect", "dent"], ["--defect", "give --anomalies too"]),
        (["--seed", -1], ["--seed", "-1"]),
    ],
)
def test_known_anomalies_that_cannot_be_had_are_one_line(
    linewatch: Linewatch, bolts: Path, tmp_path: Path, words: list[object], wanted: list[str]
) -> None:
    out = tmp_path / "model"

    refused(linewatch("train", bolts, "--detector", "patchcore", "--out", out, *words), *wanted)

    assert not out.exists()


@pytest.mark.parametrize(
    ("value", "size", "wanted"),
    [
        (0, (40, 50), "0_mask.png marks no pixel"),
        (255, (50, 40), "0_mask.png has 50 x 40 pixels"),
    ],
)
def test_a_mask_that_does_not_fit_is_one_line_and_writes_nothing(
    linewatch: Linewatch,
    bolts: Path,
    tmp_path: Path,
    value: int,
    size: tuple[int, int],
    wanted: str,
) -> None:
    write(bolts / "ground_truth/dent/0_mask.png", value, size)
    train = ["train", bolts, "--detector", "patchcore", "--out", tmp_path / "model"]

    refused(linewatch(*train, "--anomalies", 2), wanted)

    assert [path.name for path in tmp_path.iterdir() if "model" in path.name] == []


def test_one_good_image_leaves_none_to_calibrate_on(
    linewatch: Linewatch, bolts: Path, tmp_path: Path
) -> None:
    for index in range(1, 4):
        (bolts / f"train/good/{index}.png").unlink()

    outcome = linewatch("train", bolts, "--detector", "patchcore", "--out", tmp_path / "model")

    refused(outcome, "1 good training image", "one to calibrate on")


def test_a_report_is_refused_before_the_work_where_something_is_there(
    linewatch: Linewatch, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    report.mkdir()
    (report / "notes.txt").write_text("mine")

    # Neither the model nor the data are there, which would be told if the work had begun.
    outcome = linewatch("evaluate", tmp_path / "m", tmp_path / "d", "--report", report)

    refused(outcome, str(report), "exists already", "choose another folder")
    assert [path.name for path in report.iterdir()] == ["notes.txt"]


def test_a_model_is_trained_measured_and_registered_and_a_changed_byte_is_noticed(
    linewatch: Linewatch, cookies: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    trained = linewatch(
        *("train", cookies, "--detector", "patchcore", "--out", model),
        *("--anomalies", 3, "--reject-rate", 0.02, "--json", tmp_path / "train.json"),
    )
    assert trained.code == 0, trained.err
    figures = json.loads((tmp_path / "train.json").read_text())
    assert list(figures) == TRAIN_KEYS
    assert figures["known_anomalies"] == 3

    report = tmp_path / "report"
    measured = linewatch(
        *("evaluate", model, cookies, "--json", tmp_path / "evaluate.json", "--report", report)
    )
    assert measured.code == 0, measured.err
    figures = json.loads((tmp_path / "evaluate.json").read_text())
    assert set(figures) >= EVALUATE_KEYS
    assert figures["images"] == 14 + 32 - 3  # the known anomalies are left out

    page = (report / "index.html").read_text()
    assert measured.out.splitlines()[-1] == f"report: {report / 'index.html'}"
    assert "14 good, 29 defective; 3 shown in training left out" in page
    assert f"<b>{figures['image_auroc']:.4f}</b>" in page
    assert f"<b>{figures['aupro']:.4f}</b>" in page
    known = json.loads((model / "manifest.json").read_text())["known_anomalies"]
    assert not any(f">{name}<" in page for name in known)
    # Of each group six: the good ones with picture and map, the defective ones with a contour too.
    assert len(list((report / "pictures").iterdir())) == 6 * 2 + 12 * 3

    linewatch("db", "upgrade")
    linewatch("line", "add", "cookies")
    assert linewatch("model", "add", "cookies", model, "--activate").code == 0
    listed = linewatch("model", "list", "cookies").out.splitlines()
    assert listed[1].split()[:3] == ["1", "(active)", "patchcore"]

    weights = next(model.glob("patchcore*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    refused(linewatch("model", "add", "cookies", model), weights.name, "changed")
    refused(linewatch("evaluate", model, cookies), weights.name, "changed")
    assert len(linewatch("model", "list", "cookies").out.splitlines()) == 2

    refused(linewatch("model", "activate", "cookies", 7), "no model version 7")
