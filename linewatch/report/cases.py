"""Which images the page shows, and their pictures as files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from linewatch.errors import ReportError
from models.maps import heat_ends, heat_overlay

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from models.datasets import Sample
    from models.detector import Progress
    from models.evaluation import Evaluation

#: How many images each group shows.
GROUP_SIZE = 6
#: Longer edge of a picture, in pixels: the eye's size on a page, twice as fine for dense screens.
EDGE_PX = 640
JPEG_QUALITY = 88
OPACITY = 0.75
PICTURES = "pictures"
#: The contour's inner and outer colour: a bright line on a dark one is seen on every ground.
CONTOUR_RGB = (92, 225, 255)
HALO_RGB = (18, 24, 29)


@dataclass(frozen=True)
class Case:
    """One image on the page. Paths are relative to the page, and made of no text from the data."""

    sample: Sample
    #: Raw image score.
    score: float
    #: The picture itself.
    picture: str
    #: The picture under its anomaly map.
    overlay: str
    #: The picture with the defect's outline; None without a mask.
    contour: str | None
    #: Width over height.
    aspect: float


@dataclass(frozen=True)
class Group:
    """Images that are shown together, and why."""

    title: str
    text: str
    cases: list[Case]


def choose(evaluation: Evaluation, size: int = GROUP_SIZE) -> tuple[list[int], ...]:
    """Places of the images to show: worst good, worst defective, best defective; none twice."""
    is_anomalous, scores = evaluation.is_anomalous, evaluation.scores
    good, defective = np.flatnonzero(~is_anomalous), np.flatnonzero(is_anomalous)
    # Stable: among equal scores the set's order decides, so that the page is always the same.
    good = good[np.argsort(-scores[good], kind="stable")]
    rising = defective[np.argsort(scores[defective], kind="stable")]
    lowest, others = rising[:size], rising[size:]
    highest = others[np.argsort(-scores[others], kind="stable")][:size]
    return good[:size].tolist(), lowest.tolist(), highest.tolist()


def write_groups(folder: Path, evaluation: Evaluation, progress: Progress | None) -> list[Group]:
    """Write the pictures of the chosen images below `folder`, and say what is where."""
    (folder / PICTURES).mkdir()
    chosen = choose(evaluation)
    total, done = sum(map(len, chosen)), 0
    groups = []
    for (name, title, text), places in zip(_GROUPS, chosen, strict=True):
        cases = []
        for number, place in enumerate(places, start=1):
            cases.append(_write_case(folder, f"{name}-{number}", evaluation, place))
            done += 1
            if progress is not None:
                progress("pictures", done, total)
        groups.append(Group(title, text, cases))
    return [group for group in groups if group.cases]


_GROUPS = (
    (
        "good-highest",
        "Good images with the highest scores",
        "The nearest to a false reject, or one. Look for dirt, other light, or a wrong label.",
    ),
    (
        "defective-lowest",
        "Defective images with the lowest scores",
        "The nearest to an escape, or one. Look whether the defect can be seen at this resolution.",
    ),
    (
        "defective-highest",
        "Defective images with the highest scores",
        "The clearest finds. The colour should lie on the defect and nowhere else.",
    ),
)


def _write_case(folder: Path, name: str, evaluation: Evaluation, place: int) -> Case:
    sample = evaluation.samples[place]
    image = sample.image()
    height, width = image.shape[:2]
    picture = _fit(image)
    thresholds = evaluation.model.thresholds
    low, high = heat_ends(thresholds.review, thresholds.reject)
    anomaly_map = evaluation.model.score([image]).anomaly_maps[0]
    overlay = heat_overlay(picture, anomaly_map, low=low, high=high, opacity=OPACITY)
    mask = sample.mask(height, width)
    contour = None if mask is None else _outlined(picture, mask)
    return Case(
        sample=sample,
        score=float(evaluation.scores[place]),
        picture=_write(folder, f"{name}.jpg", picture),
        overlay=_write(folder, f"{name}-map.jpg", overlay),
        contour=None if contour is None else _write(folder, f"{name}-defect.jpg", contour),
        aspect=width / height,
    )


def _fit(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink or enlarge to `EDGE_PX` on the longer edge, so that contours are of one thickness."""
    height, width = rgb.shape[:2]
    scale = EDGE_PX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, size, interpolation=kind), dtype=np.uint8)


def _outlined(rgb: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The picture with the outline of every region of its mask, which may be of another size."""
    size = rgb.shape[1], rgb.shape[0]
    # Shrinking by area and keeping any share leaves regions of one pixel visible.
    share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    outlines, _ = cv2.findContours(
        (share > 0).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    drawn = rgb.copy()
    for colour, thickness in ((HALO_RGB, 7), (CONTOUR_RGB, 3)):
        cv2.drawContours(drawn, outlines, -1, colour, thickness, cv2.LINE_AA)
    return drawn


def _write(folder: Path, name: str, rgb: NDArray[np.uint8]) -> str:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ReportError(f"OpenCV cannot encode {name}: install opencv-python-headless again")
    # Not cv2.imwrite: that reports a full disk by False only.
    (folder / PICTURES / name).write_bytes(encoded.tobytes())
    return f"{PICTURES}/{name}"
