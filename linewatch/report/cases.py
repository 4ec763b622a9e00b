"""Which images the page shows, and their pictures as files."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import cv2
import numpy as np

from linewatch.errors import ReportError
from models.maps import heat_ends, heat_overlay

if TYPE_CHECKING:
    from collections.abc import Sequence
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
#: Share of the pixels of the shown good images that have no colour.
GOOD_SHARE = 0.99
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
    #: The picture with the defect's outline; None where no mask marks one.
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
    tell = progress or (lambda _stage, _done, _total: None)
    (folder / PICTURES).mkdir()
    chosen = choose(evaluation)
    total = sum(map(len, chosen))
    maps: dict[int, NDArray[np.float32]] = {}
    for place in chain.from_iterable(chosen):
        image = evaluation.samples[place].image()
        maps[place] = evaluation.model.score([image]).anomaly_map(0)
        tell("maps", len(maps), total)
    thresholds = evaluation.model.thresholds
    good, *defective = ([maps[place] for place in places] for places in chosen)
    ends = heat_scale(good, [*chain(*defective)])
    ends = ends or heat_ends(thresholds.review, thresholds.reject)
    groups, done = [], 0
    for (name, title, text), places in zip(_GROUPS, chosen, strict=True):
        cases = []
        for number, place in enumerate(places, start=1):
            file = f"{name}-{number}"
            cases.append(_write_case(folder, file, evaluation, place, maps[place], ends))
            done += 1
            tell("pictures", done, total)
        groups.append(Group(title, text, cases))
    return [group for group in groups if group.cases]


def heat_scale(
    good: Sequence[NDArray[np.float32]], defective: Sequence[NDArray[np.float32]]
) -> tuple[float, float] | None:
    """Where the colour of the maps begins and where it is full, one scale for the whole page.

    It begins at the highest hundredth of the shown good pixels, and is full at the peak of half of
    the shown defective images. The thresholds do not serve: they are of image scores, which some
    methods take before a map is smoothed.

    Args:
        good: maps (h, w) of the shown good images.
        defective: of the shown defective ones.

    Returns:
        Both map scores; None without a good image or where nothing rises above the first.
    """
    if not good:
        return None
    begin = float(np.quantile(np.concatenate([one.ravel() for one in good]), GOOD_SHARE))
    peaks = [float(one.max()) for one in defective]
    ends = [float(np.median(peaks))] if peaks else []
    ends.append(max(float(one.max()) for one in (*good, *defective)))
    return next(((begin, end) for end in ends if end > begin), None)


_GROUPS = (
    (
        "good-highest",
        "Good images with the highest scores",
        "The nearest to a false reject, or one. Look for dirt, other light, or a wrong label. "
        "All maps of this page have one scale: colour begins at the highest hundredth of what is "
        "seen here, and is full at the peak of half of the defective images below.",
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


def _write_case(
    folder: Path,
    name: str,
    evaluation: Evaluation,
    place: int,
    anomaly_map: NDArray[np.float32],
    ends: tuple[float, float],
) -> Case:
    sample = evaluation.samples[place]
    image = sample.image()
    height, width = image.shape[:2]
    picture = _fit(image)
    overlay = heat_overlay(picture, anomaly_map, low=ends[0], high=ends[1], opacity=OPACITY)
    mask = sample.mask(height, width)
    contour = _outlined(picture, mask) if mask is not None and mask.any() else None
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
