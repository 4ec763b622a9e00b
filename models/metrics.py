"""Measures of detection and localisation, exact and defined for ties; None where undefined.

Every area is computed from ranks: the trapezoids under a curve over the share of normal pixels are
the mean, over the normal pixels, of the curve's height, ties counted by half. So only the normal
scores are sorted, and no curve of millions of points is ever built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Scores = NDArray[np.floating]
    Mask = NDArray[np.bool_]


def image_auroc(scores: Scores, is_anomalous: Mask) -> float | None:
    """Chance that a defective image scores higher than a good one, ties counted by half.

    Args:
        scores: (B,) image scores.
        is_anomalous: (B,).

    Returns:
        0 to 1; None without a good or without a defective image.
    """
    _check_scores(scores, is_anomalous)
    return _auroc(np.sort(scores[~is_anomalous]), scores[is_anomalous])


def f1_max(scores: Scores, is_anomalous: Mask) -> float | None:
    """The best F1 that any threshold gives; chosen on the very images it is measured on.

    Args:
        scores: (B,) image scores.
        is_anomalous: (B,).

    Returns:
        0 to 1; None without a defective image.
    """
    _check_scores(scores, is_anomalous)
    if not is_anomalous.any():
        return None
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(is_anomalous[order])
    flagged = np.arange(1, len(scores) + 1)
    # A threshold takes all images of one score or none: only the last of each counts.
    is_last = np.append(np.diff(scores[order]) != 0, True)
    f1 = 2 * found / (flagged + is_anomalous.sum())
    return float(f1[is_last].max())


def false_reject_rate(scores: Scores, is_anomalous: Mask, reject: float) -> float | None:
    """Share of the good images that are rejected (score >= `reject`); None without a good image."""
    _check_scores(scores, is_anomalous)
    good = scores[~is_anomalous]
    # np.float64: a plain float would be rounded to the scores' float32, and could change sides.
    return float((good >= np.float64(reject)).mean()) if good.size else None


def escape_rate(scores: Scores, is_anomalous: Mask, review: float) -> float | None:
    """Share of the defective images that pass (score < `review`); None without a defective one."""
    _check_scores(scores, is_anomalous)
    defective = scores[is_anomalous]
    return float((defective < np.float64(review)).mean()) if defective.size else None


def pixel_auroc(anomaly_maps: Sequence[Scores], masks: Sequence[Mask]) -> float | None:
    """Chance that a defective pixel scores higher than a normal one, over all images together.

    Args:
        anomaly_maps: one (h, w) a test image, good images included.
        masks: the defective pixels of each, of the same size.

    Returns:
        0 to 1; None without a normal or without a defective pixel.
    """
    _check_maps(anomaly_maps, masks)
    return _auroc(_sorted_normal_pixels(anomaly_maps, masks), _defective(anomaly_maps, masks))


def aupro(
    anomaly_maps: Sequence[Scores], masks: Sequence[Mask], *, limit: float = 0.3
) -> float | None:
    """Area under the per-region overlap, over false positive rates from 0 to `limit`.

    The overlap at a threshold is the mean, over the 8-connected components of all masks, of the
    share of the component that is flagged; the false positive rate is the share of all normal
    pixels that is. Exact: every score is a threshold, the last piece is cut linearly at `limit`.

    Args:
        anomaly_maps: one (h, w) a test image, good images included.
        masks: the defective pixels of each, of the same size.
        limit: largest false positive rate, in (0, 1].

    Returns:
        The area divided by `limit`, 0 to 1; None without a normal or without a defective pixel.

    Source: Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021.
    """
    _check_maps(anomaly_maps, masks)
    if not 0 < limit <= 1:
        raise ValueError(f"limit is {limit}, it must be above 0 and at most 1")
    normal = _sorted_normal_pixels(anomaly_maps, masks)
    defective = _defective(anomaly_maps, masks)
    if not normal.size or not defective.size:
        return None
    weights = np.concatenate([_region_weights(mask) for mask in masks])
    weights /= weights.sum()  # (defective pixels,), each component has the same sum
    # The false positive rate reaches the limit at this normal score.
    last = normal[normal.size - max(1, int(np.ceil(limit * normal.size)))]
    above_last = int(np.searchsorted(normal, last, "right"))
    rate_before = (normal.size - above_last) / normal.size
    rate_after = (normal.size - int(np.searchsorted(normal, last, "left"))) / normal.size
    is_above = defective > last
    area = (weights[is_above] * (_rank(normal, defective[is_above]) - above_last)).sum()
    before, after = weights[is_above].sum(), weights[defective >= last].sum()
    at_limit = before + (after - before) * (limit - rate_before) / (rate_after - rate_before)
    area = area / normal.size + (limit - rate_before) * (before + at_limit) / 2
    return float(area / limit)


def _auroc(sorted_normal: Scores, anomalous: Scores) -> float | None:
    if not sorted_normal.size or not anomalous.size:
        return None
    return float(_rank(sorted_normal, anomalous).mean() / sorted_normal.size)


def _rank(sorted_normal: Scores, scores: Scores) -> NDArray[np.float64]:
    """How many normal scores lie below each score, equal ones counted by half."""
    below = np.searchsorted(sorted_normal, scores, "left")
    ranks: NDArray[np.float64] = (below + np.searchsorted(sorted_normal, scores, "right")) / 2
    return ranks


def _sorted_normal_pixels(anomaly_maps: Sequence[Scores], masks: Sequence[Mask]) -> Scores:
    count = sum(mask.size - int(np.count_nonzero(mask)) for mask in masks)
    kind = np.result_type(np.float32, *(anomaly_map.dtype for anomaly_map in anomaly_maps))
    normal = np.empty(count, kind)
    start = 0
    for anomaly_map, mask in zip(anomaly_maps, masks, strict=True):
        scores = anomaly_map[~mask]
        normal[start : start + scores.size] = scores
        start += scores.size
    normal.sort()
    return normal


def _defective(anomaly_maps: Sequence[Scores], masks: Sequence[Mask]) -> Scores:
    pairs = zip(anomaly_maps, masks, strict=True)
    return np.concatenate([anomaly_map[mask] for anomaly_map, mask in pairs] or [np.empty(0)])


def _region_weights(mask: Mask) -> NDArray[np.float64]:
    """For each defective pixel, in row order, one over the size of its component."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    weights: NDArray[np.float64] = 1 / np.bincount(labels.ravel())[labels[mask]]
    return weights


def _check_scores(scores: Scores, is_anomalous: Mask) -> None:
    if scores.ndim != 1 or scores.shape != is_anomalous.shape or is_anomalous.dtype != np.bool_:
        raise ShapeError(
            f"scores and labels have shapes {scores.shape} and {is_anomalous.shape} "
            f"({is_anomalous.dtype}): both must be (B,), the labels bool"
        )
    if np.isnan(scores).any():
        raise ValueError("a score is not a number; check the detector")


def _check_maps(anomaly_maps: Sequence[Scores], masks: Sequence[Mask]) -> None:
    if len(anomaly_maps) != len(masks):
        raise ShapeError(f"{len(anomaly_maps)} maps and {len(masks)} masks: each map needs one")
    for anomaly_map, mask in zip(anomaly_maps, masks, strict=True):
        if anomaly_map.ndim != 2 or anomaly_map.shape != mask.shape or mask.dtype != np.bool_:
            raise ShapeError(
                f"a map and its mask have shapes {anomaly_map.shape} and {mask.shape} "
                f"({mask.dtype}): both must be (h, w), the mask bool"
            )
        if np.isnan(anomaly_map).any():
            raise ValueError(
                "an anomaly map holds a score that is not a number; check the detector"
            )
