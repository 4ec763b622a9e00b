"""Time and memory to fit 320 training images on two cores, fast presets, each in a new process."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from bench.comparison import markdown, reached
from bench.development import SETS
from bench.results import write_section
from bench.runs import KNOWN, Draw, Run
from bench.store import Store, do_all
from models.datasets import open_dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.datasets import Sample

SOURCE = "magnetic_tile"
IMAGES = 320
#: Side of the images: that of most pictures in MVTec AD. Reading them, and what is drawn at their
#: own size, takes time that small pictures would hide.
PIXELS = 1024
THREADS = 2


@dataclass(frozen=True)
class Budget:
    """What a detector may take."""

    #: Name of the method.
    detector: str
    #: To fit and calibrate.
    minutes: float
    #: Of resident memory.
    mib: float = 2.5 * 1024
    #: Known anomalies it is shown.
    anomalies: int = 0


BUDGETS = (
    Budget("patchcore", 25 / 60, 1.2 * 1024),
    Budget("simplenet", 1.5),
    Budget("bgad", 5, anomalies=KNOWN),
    Budget("cutswap", 7.5),
    Budget("cutpaste", 7.5),
)


def main(arguments: Sequence[str]) -> int:
    """Fit each detector, one after the other; nothing else should run on the machine."""
    options = _parse(arguments)
    chosen = [budget for budget in BUDGETS if budget.detector in options.only]
    with tempfile.TemporaryDirectory(prefix="linewatch-fitting-") as folder:
        data = Path(folder) / "data"
        write_images(data, options.images, options.pixels)
        # A store of its own: a time is measured anew whenever it is asked for.
        store = Store(Path(folder) / "runs")
        runs = [
            Run(b.detector, str(data), shown=Draw(b.anomalies), threads=THREADS) for b in chosen
        ]
        failed = do_all(store, runs)
        lines = [
            _line(budget, record["trained"])
            for budget, run in zip(chosen, runs, strict=True)
            if (record := store.find(run)) is not None
        ]
    write_section(
        "fitting",
        f"Time to fit and calibrate, and largest resident memory, with {options.images} training "
        f"images: `train_images`, a fifth of which is held out for the thresholds. The images are "
        f"those of {SOURCE}, enlarged to {options.pixels} x {options.pixels} pixels, the size of "
        "most pictures in MVTec AD.",
        f"fast presets, {THREADS} threads, one process each, seed 0",
        markdown(["", "fit", "wanted", "peak memory", "wanted", ""], lines),
    )
    return 1 if failed else 0


def write_images(folder: Path, count: int, pixels: int) -> None:
    """Write `count` good training images, and the defective ones that a detector may be shown."""
    dataset = open_dataset(str(SETS[SOURCE]))
    every = max(1.0, len(dataset.train) / count)
    for index in range(count):
        again, place = divmod(int(index * every), len(dataset.train))
        _write(folder, "train/good", dataset.train[place], pixels, again)
    good = [sample for sample in dataset.test if not sample.is_anomalous][:8]
    # Twice as many as are shown: the others are tested.
    defective = [sample for sample in dataset.test if sample.is_anomalous]
    for sample in [*good, *defective[:: len(defective) // (2 * KNOWN)]]:
        _write(folder, f"test/{sample.defect}", sample, pixels)
        image = sample.image()
        mask = sample.mask(image.shape[0], image.shape[1])
        if mask is not None:
            place = f"ground_truth/{sample.defect}/{sample.path.stem}_mask.png"
            _write_png(
                folder / place,
                np.where(mask, np.uint8(255), np.uint8(0)),
                pixels,
                cv2.INTER_NEAREST_EXACT,
            )


def _write(folder: Path, place: str, sample: Sample, pixels: int, again: int = 0) -> None:
    """Write one picture; `again` turns, mirrors and brightens it, as there are only so many."""
    image = cv2.cvtColor(sample.image(), cv2.COLOR_RGB2BGR)
    name = f"{sample.path.stem}.png"
    if again:
        image = np.ascontiguousarray(np.rot90(image, again % 4))
        image = cv2.flip(image, 1) if again % 8 >= 4 else image
        image = cv2.convertScaleAbs(image, alpha=1 + again / 50)
        name = f"{sample.path.stem}-{again}.png"
    _write_png(folder / place / name, image, pixels, cv2.INTER_CUBIC)


def _write_png(file: Path, image: NDArray[np.uint8], pixels: int, method: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), cv2.resize(image, (pixels, pixels), interpolation=method))


def _line(budget: Budget, trained: dict[str, float]) -> list[str]:
    minutes, mib = trained["fit_seconds"] / 60, trained["peak_rss_mib"]
    is_reached = minutes <= budget.minutes and mib <= budget.mib
    shown = f", {budget.anomalies} anomalies" if budget.anomalies else ""
    return [
        f"{budget.detector}{shown}",
        f"{minutes * 60:.0f} s",
        f"at most {budget.minutes * 60:g} s",
        f"{mib:.0f} MiB",
        f"at most {budget.mib:.0f} MiB",
        reached(is_reached),
    ]


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    names = [budget.detector for budget in BUDGETS]
    parser = argparse.ArgumentParser("python -m bench fitting", description=__doc__)
    parser.add_argument("--only", nargs="+", default=names, choices=names)
    parser.add_argument("--images", type=int, default=IMAGES, help="in train/good")
    parser.add_argument("--pixels", type=int, default=PIXELS, help="side of the images")
    return parser.parse_args(arguments)
