"""Image sets to choose presets on, made of training images only: `python -m bench.development DIR`.

A quarter of each set's good training images is set apart; it appears as it is (`test/good`) and
with drawn defects (`test/<kind>`, masks in `ground_truth`). The defects are faint on purpose, and
drawn by none of the detectors' own augmentations. For elpv there are also real ones: the cells
whose label is 2/3, which no measure uses. So hyper-parameters are chosen without a test image.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.datasets import open_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from models.datasets import Sample

SHARED = Path(__file__).parents[2] / "shared" / "data"
SETS = {
    "magnetic_tile": SHARED / "magnetic_tile",
    "cookie": SHARED / "cookie",
    "elpv-mono": "elpv:mono",
    "elpv-poly": "elpv:poly",
}
#: Training images kept of a set at most, so that one trial takes seconds to minutes.
LIMIT = 400


def main() -> None:
    """Write all sets below the folder named on the command line."""
    out = Path(sys.argv[1])
    for name, spec in SETS.items():
        dataset = open_dataset(spec)
        order = sorted(dataset.train, key=lambda s: hashlib.sha256(s.name.encode()).digest())
        apart = order[: max(8, len(order) // 4)]
        kept = order[len(apart) :][:LIMIT]
        rng = np.random.default_rng(0)
        _write(out / name, "train/good", [(s.name, s.image()) for s in kept])
        _write(out / name, "test/good", [(s.name, s.image()) for s in apart])
        variants = 3 if len(apart) < 20 else 1
        for _ in range(variants):
            for sample in apart:
                _write_defective(out / name, sample, kept, rng)
        likely = [s for s in dataset.uncertain if _probability(s) > 0.5]
        if likely:
            _write(out / f"{name}-likely", "train/good", [(s.name, s.image()) for s in kept])
            _write(out / f"{name}-likely", "test/good", [(s.name, s.image()) for s in apart])
            _write(out / f"{name}-likely", "test/likely", [(s.name, s.image()) for s in likely])
        print(f"{name}: {len(kept)} to train on, {len(apart)} apart, {len(likely)} likely")


def _probability(sample: Sample) -> float:
    labels = sample.path.parents[1] / "labels.csv"
    for line in labels.read_text().splitlines():
        if line.split()[:1] == [sample.name]:
            return float(line.split()[1])
    raise KeyError(sample.name)


def _write(root: Path, folder: str, images: Sequence[tuple[str, NDArray[np.uint8]]]) -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name, image in images:
        file = root / folder / f"{Path(name).stem}.png"
        cv2.imwrite(str(file), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def _write_defective(root: Path, sample: Sample, others: Sequence[Sample], rng: Generator) -> None:
    kind = list(DEFECTS)[rng.integers(len(DEFECTS))]
    image = sample.image().astype(np.float32)
    other = others[rng.integers(len(others))].image()
    share, changed = DEFECTS[kind](image, other, rng)
    # Only where the part is: on a dark ground nobody would call it a defect.
    grey = cv2.GaussianBlur(image.mean(axis=2), (0, 0), 3)
    share = share * (grey > 0.35 * np.median(grey))
    drawn = image + share[..., None] * (changed - image)
    mask = (np.abs(drawn - image).max(axis=2) > 4).astype(np.uint8) * 255
    if mask.sum() < 255 * 12:
        return
    name = f"{Path(sample.name).stem}-{rng.integers(10**6):06d}"
    for folder, end, picture in (
        ("test", "", cv2.cvtColor(drawn.clip(0, 255).astype(np.uint8), cv2.COLOR_RGB2BGR)),
        ("ground_truth", "_mask", mask),
    ):
        (root / folder / kind).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / folder / kind / f"{name}{end}.png"), picture)


def _place(image: NDArray[np.float32], rng: Generator) -> tuple[int, int, float]:
    """Row and column of a defect's middle, and the scale of the part, in pixels."""
    height, width = image.shape[:2]
    row, column = (
        rng.integers(height // 6, height - height // 6),
        rng.integers(width // 6, width - width // 6),
    )
    return int(row), int(column), float(min(height, width))


def _scratch(
    image: NDArray[np.float32], _: NDArray[np.uint8], rng: Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    row, column, size = _place(image, rng)
    angle, points = rng.uniform(0, 2 * np.pi), [(column, row)]
    for _step in range(rng.integers(3, 8)):
        angle += rng.normal(0, 0.4)
        step = size * rng.uniform(0.02, 0.06)
        last = points[-1]
        points.append((int(last[0] + step * np.cos(angle)), int(last[1] + step * np.sin(angle))))
    share = np.zeros(image.shape[:2], np.float32)
    thickness = max(1, round(size * rng.uniform(0.003, 0.012)))
    cv2.polylines(share, [np.array(points)], isClosed=False, color=1.0, thickness=thickness)
    share = cv2.GaussianBlur(share, (0, 0), max(0.5, thickness / 3))
    return share, image + rng.choice([-1, 1]) * rng.uniform(20, 60)


def _blob(
    image: NDArray[np.float32], _: NDArray[np.uint8], rng: Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    row, column, size = _place(image, rng)
    share = np.zeros(image.shape[:2], np.float32)
    axes = [max(2, round(size * rng.uniform(0.01, 0.05))) for _axis in range(2)]
    cv2.ellipse(share, (column, row), axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
    share = cv2.GaussianBlur(share, (0, 0), max(0.7, min(axes) / 3))
    return share, image + rng.choice([-1, 1]) * rng.uniform(15, 50)


def _cloud(image: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """A soft region of irregular outline, 0 to 1."""
    row, column, size = _place(image, rng)
    height, width = image.shape[:2]
    noise = rng.normal(size=(height, width)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), size * 0.03)
    noise /= np.abs(noise).max()
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - row, columns - column) / (size * rng.uniform(0.05, 0.14))
    share = np.clip((1.2 - distance + noise) * 3, 0, 1)
    return share.astype(np.float32)


def _stain(
    image: NDArray[np.float32], _: NDArray[np.uint8], rng: Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    factor = 1 + rng.choice([-1, 1]) * rng.uniform(0.12, 0.35)
    tint = rng.uniform(0.93, 1.07, 3).astype(np.float32)
    return _cloud(image, rng), image * factor * tint


def _worn(
    image: NDArray[np.float32], _: NDArray[np.uint8], rng: Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return _cloud(image, rng), cv2.GaussianBlur(image, (0, 0), rng.uniform(2, 5))


def _foreign(
    image: NDArray[np.float32], other: NDArray[np.uint8], rng: Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    turned = cv2.rotate(other, int(rng.integers(0, 3)))
    size = image.shape[1], image.shape[0]
    grown = cv2.resize(turned, (2 * size[0], 2 * size[1])).astype(np.float32)
    row, column = rng.integers(0, size[1]), rng.integers(0, size[0])
    piece = grown[row : row + size[1], column : column + size[0]]
    return _cloud(image, rng) * rng.uniform(0.5, 0.9), piece


DEFECTS: dict[
    str,
    Callable[
        [NDArray[np.float32], NDArray[np.uint8], Generator],
        tuple[NDArray[np.float32], NDArray[np.float32]],
    ],
] = {"scratch": _scratch, "blob": _blob, "stain": _stain, "worn": _worn, "foreign": _foreign}


if __name__ == "__main__":
    main()
