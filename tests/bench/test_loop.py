"""The loop's benchmark on a tiny set, with everything running."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from bench.loop.command import most_frequent_kind, run
from bench.loop.kept import Kept

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 32
QUICK = ("--quick", "--rounds", "6", "10")


def _part(seed: int, kind: str = "good") -> tuple[np.ndarray, np.ndarray]:
    """A blotchy part, each of its own pattern, and where its defect is."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(90, 170, (6, 6), dtype=np.uint8)
    image = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if kind == "scratch":
        mask[12:16, 4:26] = 255
    elif kind == "dent":
        cv2.circle(mask, (20, 18), 6, 255, -1)
    image[mask > 0] = 250 if kind == "scratch" else 20
    return image, mask


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """120 good parts, 40 scratched and 30 dented ones."""
    root, seed = tmp_path / "parts", 0
    for place, kind, count in (
        ("train/good", "good", 90),
        ("test/good", "good", 30),
        ("test/scratch", "scratch", 40),
        ("test/dent", "dent", 30),
    ):
        (root / place).mkdir(parents=True)
        (root / "ground_truth" / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image, mask = _part(seed, kind)
            seed += 1
            cv2.imwrite(str(root / place / f"{number}.png"), image)
            if kind != "good":
                cv2.imwrite(str(root / "ground_truth" / kind / f"{number}_mask.png"), mask)
    return root


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_rounds_run_from_teaching_to_promotion_and_are_kept(parts: Path, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept")

    assert run([*QUICK, "--only", "rounds", "--sets", str(parts)], kept) == 0

    [file] = kept.folder.glob("rounds-*.json")
    result = json.loads(file.read_text())
    assert [one["confirmed"] for one in result["rounds"]] == [6, 10]
    assert all(one["state"] == "done" for one in result["rounds"]), result["rounds"]
    # Whatever went live was let through by the gate, which counted right.
    gates = {one["number"]: one for one in result["versions"]}
    for check in result["golden"]:
        counted = gates[check["number"]]["gate"]
        assert counted["candidate"]["escapes"]["count"] == check["escapes"]
        assert counted["champion"]["escapes"]["count"] == check["champion_escapes"]
        if check["number"] in result["went_live"]:
            assert check["escapes"] <= check["champion_escapes"]
    # Of every version, each part that nobody reviewed has a score.
    assert set(result["scores"]) == {str(number) for number in gates}
    for scores in result["scores"].values():
        assert {name: len(v) for name, v in scores.items()} == {
            name: len(v) for name, v in result["parts"].items()
        }


def test_the_kind_left_out_is_the_most_frequent_one(parts: Path) -> None:
    assert most_frequent_kind(str(parts)) == "scratch"
