"""Pictures are divided by part, the same for every scenario."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from bench.loop.parts import divide, find_parts
from bench.loop.plan import Plan
from models.datasets import open_dataset

if TYPE_CHECKING:
    from pathlib import Path

    from bench.loop.parts import Part, Roles

SIDE = 48
PLAN = Plan("tiles")


def _tile(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(60, 180, (7, 7), dtype=np.uint8)
    return cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Part]:
    """60 good tiles, 20 cracked, 24 bent ones; each good one also at another exposure."""
    root: Path = tmp_path_factory.mktemp("tiles")
    seed = 0
    for place, count, exposures in (
        ("train/good", 60, (1.0, 0.95)), ("test/crack", 20, (1.0,)), ("test/bend", 24, (1.0,))
    ):  # fmt: skip
        (root / place).mkdir(parents=True)
        for number in range(count):
            seed += 1
            for which, exposure in enumerate(exposures):
                image = (_tile(seed) * exposure).astype(np.uint8)
                cv2.imwrite(str(root / place / f"{number}-{which}.png"), image)
    return find_parts(open_dataset(root))


def _parts_of(roles: Roles) -> list[set[str]]:
    return [
        {frame.part for frame in frames}
        for frames in (
            roles.taught, roles.golden, roles.stream, roles.calibration, roles.tested
        )
    ]  # fmt: skip


def test_exposures_of_one_tile_are_one_part(parts: list[Part]) -> None:
    assert len(parts) == 60 + 20 + 24
    assert {len(part.frames) for part in parts if part.kind == "good"} == {2}


def test_no_part_has_two_roles(parts: list[Part]) -> None:
    sets = _parts_of(divide(parts, PLAN))

    assert sum(map(len, sets)) == len(set.union(*sets))
    assert all(sets)


def test_the_evaluation_is_the_same_in_all_scenarios(parts: list[Part]) -> None:
    usual = divide(parts, PLAN)
    other = divide(parts, replace(PLAN, scenario="unseen-class", unseen="crack", wrong=0.1))

    assert (usual.tested, usual.calibration) == (other.tested, other.calibration)
    assert (usual.taught, usual.golden) == (other.taught, other.golden)
    assert usual.kinds == ["bend", "crack"]
    assert other.kinds == ["bend"]


def test_another_seed_divides_in_another_way(parts: list[Part]) -> None:
    assert divide(parts, PLAN).tested != divide(parts, replace(PLAN, seed=1)).tested


def test_a_part_that_is_good_and_defective_is_left_out(parts: list[Part]) -> None:
    good = next(part for part in parts if part.kind == "good")
    crack = next(part for part in parts if part.kind == "crack")
    both = replace(good, frames=good.frames + crack.frames)
    roles = divide([both, *(p for p in parts if p not in (good, crack))], PLAN)

    assert roles.left_out == 3
    assert both.id not in set.union(*_parts_of(roles))
