"""What the page says, and how it shows what came from outside."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

import dashboard
from linewatch.report import page as page_module
from linewatch.report.cases import CONTOUR_RGB, choose, heat_scale
from linewatch.report.page import write_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from models.evaluation import Evaluation

    Evaluated = Callable[..., Evaluation]

NOW = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)
PICTURES = {
    "good/0": 50,
    "good/1": 120,
    "good/2": 160,
    "crack/0": 200,
    "crack/1": 110,
    "blot/0": 60,
}


class Reader(HTMLParser):
    """A page as its reader sees it: the texts, the attributes, the rows of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.rows: list[list[str]] = []
        self.is_in_cell = False
        self.feed(text.replace("\u00a0", " "))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
            self.is_in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.is_in_cell = self.is_in_cell and tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.is_in_cell:
            self.rows[-1][-1] += data

    def row(self, name: str) -> list[str]:
        """The cells after the one that is called `name`."""
        return next(row[1:] for row in self.rows if row and row[0] == name)


def written(evaluation: Evaluation, folder: Path) -> Reader:
    page = write_report(folder, evaluation, model_dir=Path("models/v1"), now=NOW)
    assert page == folder / "index.html"
    return Reader(page.read_text(encoding="utf-8"))


def test_the_tables_say_what_was_counted(evaluated: Evaluated, tmp_path: Path) -> None:
    page = written(evaluated(PICTURES, masks=True), tmp_path / "report")

    # Good ones of 50, 120, 160, review from 100, reject from 150; the blot of 60 escapes.
    assert page.row("Good") == ["1 33.3 %", "1 33.3 %", "1 33.3 %"]
    assert page.row("Defective") == ["1 33.3 %", "1 33.3 %", "1 33.3 %"]
    # Of one in three: (1/3 + 0.640243 -+ sqrt(2/9 * 1.280486 + 0.409911)) / 2.280486.
    assert page.row("False-reject rate")[:3] == ["33.3 %", "1 of 3", "6.1 – 79.2 %"]
    assert page.row("Escape rate")[:3] == ["33.3 %", "1 of 3", "6.1 – 79.2 %"]
    # 200 beats three good ones, 110 and 60 beat one: 5 of 9 pairs.
    assert page.row("Image AUROC")[0] == "0.5556"
    assert page.row("AUPRO")[0] != "–"
    # Of one in one: 1 / (1 + 3.841459) = 20.7 %; in two: 2 / 5.841459 = 34.2 %.
    assert page.row("blot") == ["1", "1", "100.0 %", "20.7 – 100.0 %", "0.3333"]
    assert page.row("crack") == ["2", "0", "0.0 %", "0.0 – 65.8 %", "0.6667"]


def test_the_page_says_what_was_evaluated(evaluated: Evaluated, root: Path, tmp_path: Path) -> None:
    page = written(evaluated(PICTURES | {"crack/9": 10}), tmp_path / "report")

    for fact in (
        "brightness", "none", "8 × 10 px (height × width)", "models/v1",
        "1 good images and 1 defective ones, seed 7",
        str(root), "3 good, 3 defective; 1 shown in training left out", "2026-02-03 04:05 UTC",
    ):  # fmt: skip
        assert fact in page.texts
    assert not any("crack/9" in text for text in page.texts)


def test_the_page_names_every_setting_and_finding(
    evaluated: Evaluated, root: Path, tmp_path: Path
) -> None:
    evaluation = evaluated(PICTURES)
    manifest = replace(
        evaluation.model.manifest,
        hyperparameters={"coreset_fraction": 0.01, "strides": [8, 16], "bank_limit": None},
        weights_sha256="5" * 64,
        findings={
            "normal_boundary": [-0.123456, -2.5],
            "boundary_score": 130.0,
            "rules": {"fits": 12, "shrunk": 3},
            "is_<b>": True,
        },
    )
    evaluation = replace(evaluation, model=replace(evaluation.model, manifest=manifest))

    page = written(evaluation, tmp_path / "report")

    pairs = dict(itertools.pairwise(page.texts))
    assert pairs["Coreset fraction"] == "0.01"
    assert pairs["Strides"] == "8, 16"
    assert pairs["Bank limit"] == "none"
    assert pairs["Backbone weights SHA-256"] == "5" * 12 + "…"
    assert pairs["Normal boundary"] == "-0.1235, -2.5"
    assert pairs["Rules"] == "fits: 12, shrunk: 3"
    assert pairs["Is <b>"] == "yes"
    # The method's own threshold is a line among the scores, too.
    assert "The method's own boundary: 130.0" in page.texts


def test_types_of_defects_say_how_many_the_model_was_shown(
    evaluated: Evaluated, tmp_path: Path
) -> None:
    page = written(evaluated(PICTURES | {"crack/9": 10}), tmp_path / "report")

    assert page.row("crack")[:2] == ["1", "2"]
    assert page.row("blot")[:2] == ["0", "1"]


def test_images_without_a_mask_are_told_at_the_pixel_figures(
    evaluated: Evaluated, root: Path, tmp_path: Path
) -> None:
    evaluated(PICTURES, masks=True)
    (root / "ground_truth/blot/0_mask.png").unlink()

    page = written(evaluated({}), tmp_path / "report")

    assert page.row("Pixel AUROC")[1] == "5 of 6"
    assert page.row("AUPRO")[1] == "5 of 6"
    assert page.row("Image AUROC")[1] == ""


def test_a_set_without_masks_says_so_and_shows_no_contours(
    evaluated: Evaluated, tmp_path: Path
) -> None:
    page = written(evaluated(PICTURES), tmp_path / "report")

    needs = "Needs masks of the defects: this set has none."
    assert page.row("AUPRO") == ["–", "", "", needs]
    assert page.row("Pixel AUROC") == ["–", "", "", needs]
    assert "Marked defect" not in page.texts


@pytest.mark.parametrize("pictures", [{"good/0": 50}, {"crack/0": 50}])
def test_a_set_of_one_kind_has_a_page_without_a_curve(
    evaluated: Evaluated, tmp_path: Path, pictures: dict[str, int]
) -> None:
    page = written(evaluated(pictures), tmp_path / "report")

    assert page.row("Image AUROC")[0] == "–"
    assert page.tags.count("svg") == 1


def test_names_from_the_data_are_text_and_nothing_else(
    evaluated: Evaluated, tmp_path: Path
) -> None:
    defect, name = "<script>alert(1)<", "\"><img src=x onerror='alert(2)'>&amp;"
    page = written(evaluated({"good/0": 50, f"{defect}/{name}": 200}), tmp_path / "report")

    assert defect in page.texts
    assert page.row(defect)[0] == "1"
    assert f"test/{defect}/{name}.png" in page.texts
    assert "script" not in page.tags
    # Two images with a picture and a map each; file names are our own.
    assert page.tags.count("img") == 4
    assert all(re.fullmatch(r"pictures/[a-z0-9-]+\.jpg", link) for link in page.links)


def test_a_file_name_that_is_no_unicode_is_shown_with_a_question_mark(
    evaluated: Evaluated, tmp_path: Path
) -> None:
    page = written(evaluated({"good/caf\udce9": 50, "crack/0": 200}), tmp_path / "report")

    assert "test/good/caf?.png" in page.texts


def test_everything_the_page_needs_lies_beside_it(evaluated: Evaluated, tmp_path: Path) -> None:
    page = written(evaluated(PICTURES, masks=True), tmp_path / "report")

    # Six images with picture and map, three of them with a contour; each shown and linked.
    files = {f"pictures/{path.name}" for path in (tmp_path / "report/pictures").iterdir()}
    assert len(files) == 6 * 2 + 3
    assert set(page.links) == files
    text = (tmp_path / "report/index.html").read_text()
    assert not re.search(r"https?:|@import|@font-face|url\(|<script|javascript:", text)


def test_worst_and_best_are_chosen_and_none_twice(evaluated: Evaluated) -> None:
    evaluation = evaluated(PICTURES)
    names = [sample.name for sample in evaluation.samples]

    groups = [[names[place] for place in group] for group in choose(evaluation, size=2)]

    assert groups == [
        ["test/good/2.png", "test/good/1.png"],
        ["test/blot/0.png", "test/crack/1.png"],
        ["test/crack/0.png"],
    ]


@pytest.mark.parametrize(
    ("good", "peaks", "ends"),
    [
        (range(101), [120, 900, 300], (99, 300)),
        (range(101), [20, 30, 900], (99, 900)),  # half of the defects do not stand out
        (range(-101, 0), [], (-2, -1)),
        ([2, 2], [1], None),
        ([], [4], None),
    ],
)
def test_the_maps_scale_goes_from_the_highest_good_pixels_to_defective_peaks(
    good: Sequence[int], peaks: list[int], ends: tuple[float, float] | None
) -> None:
    # Of 101 pixels of 0 to 100, the hundredth part that lies highest begins at 99.
    maps = [np.array([good], np.float32)] if good else []

    assert heat_scale(maps, [np.array([[0, peak]], np.float32) for peak in peaks]) == ends


def test_only_the_images_that_are_shown_are_scored_again(
    evaluated: Evaluated, tmp_path: Path
) -> None:
    evaluation = evaluated({f"good/{number}": number for number in range(20)})
    before = len(evaluation.model.calls)

    written(evaluation, tmp_path / "report")

    assert len(evaluation.model.calls) - before == 6


def test_the_contour_goes_round_the_mask(evaluated: Evaluated, tmp_path: Path) -> None:
    written(evaluated({"good/0": 50, "crack/0": 0}, masks=True), tmp_path / "report")

    drawn = cv2.imread(str(tmp_path / "report/pictures/defective-lowest-1-defect.jpg"))
    is_line = np.abs(drawn[..., ::-1].astype(int) - CONTOUR_RGB).max(axis=2) < 60
    # 16 x 20 pixels are shown 32 times as large; the mask is rows 4 to 7.
    assert drawn.shape == (512, 640, 3)
    rows = np.flatnonzero(is_line[:, 320])
    assert set(rows[rows < 200]) <= set(range(125, 132))
    assert set(rows[rows >= 200]) <= set(range(252, 259))
    assert len(rows) >= 4


def test_a_picture_that_vanished_leaves_no_page(
    evaluated: Evaluated, root: Path, tmp_path: Path
) -> None:
    from models.errors import DatasetError

    evaluation = evaluated(PICTURES)
    (root / "test/blot/0.png").unlink()

    with pytest.raises(DatasetError, match=r"blot/0\.png"):
        write_report(tmp_path / "report", evaluation, model_dir=Path("m"), now=NOW)

    assert [path.name for path in tmp_path.iterdir() if "report" in path.name] == []


def test_the_colours_are_the_dashboards() -> None:
    def colours(style: Path) -> dict[str, str]:
        return dict(re.findall(r"^  --([a-z-]+): (#\w+);", style.read_text(), re.MULTILINE))

    ours = colours(page_module.STYLE)

    theirs = colours(Path(dashboard.__file__).with_name("theme.css"))
    assert len(ours) > 8
    assert ours.items() <= theirs.items()
