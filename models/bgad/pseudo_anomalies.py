"""Random pseudo anomalies (RPAG): known defects, augmented and pasted onto good images.

Source: Yao et al., "Explicit Boundary Guided Semi-Push-Pull Contrastive Learning for Supervised
Anomaly Detection", CVPR 2023, and its released code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from models.bgad.augmenters import augment
from models.bgad.foreground import foreground_mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from models.bgad.warps import Pair
    from models.detector import KnownAnomaly, TrainingImages

#: Rows and columns of pixels.
Pixels: TypeAlias = "tuple[NDArray[np.intp], NDArray[np.intp]]"

#: Draws of augmenters before the defect is pasted as it is.
_ATTEMPTS = 10
#: A defect stays in place where more than this share of it lies on the part.
_ON_THE_PART = 2 / 3


class PseudoAnomalies:
    """Draws good images with known defects pasted onto them.

    Augmented defects are stretched to the size of the good image, as all images are to the
    detector's input: what is learnt is then a defect of the right size there.
    """

    def __init__(
        self,
        anomalies: Sequence[KnownAnomaly],
        normal: TrainingImages,
        *,
        restrict_to_foreground: bool = True,
        seed: int,
    ) -> None:
        """Draw from `anomalies`, which need masks, and `normal`.

        Args:
            anomalies: defects to paste.
            normal: images to paste onto.
            restrict_to_foreground: move defects that lie beside the part onto it.
            seed: of all draws.

        Raises:
            ValueError: if there are no anomalies or no normal images, or an anomaly has no mask, an
                empty one, or one of another size.
        """
        if not anomalies or normal.count < 1:
            raise ValueError(
                f"{len(anomalies)} known anomalies and {normal.count} normal images: pseudo "
                "anomalies need one of each at least"
            )
        self._defects = [_checked(anomaly) for anomaly in anomalies]
        self._normal = normal
        self._restrict_to_foreground = restrict_to_foreground
        self._seed = seed

    def draw(self, epoch: int, index: int) -> Pair:
        """Make a pseudo anomaly, the same for the same seed, `epoch` and `index`.

        Args:
            epoch: of training.
            index: place in the epoch; successive ones go through the known anomalies in turn.

        Returns:
            A good image (H, W, 3) of its own size with a defect on it, and the mask (H, W) of
            exactly the pixels pasted; never empty.
        """
        rng = np.random.default_rng([self._seed, epoch, index])
        defect, mask = self._defects[index % len(self._defects)]
        target = self._normal.read(int(rng.integers(self._normal.count)))
        foreground = foreground_mask(target) if self._restrict_to_foreground else None
        for _ in range(_ATTEMPTS):
            pair = _stretched(*augment(defect, mask, rng), target.shape[0], target.shape[1])
            pasted, pasted_mask = _paste(target, *pair, foreground, rng)
            if pasted_mask.any():
                return pasted, pasted_mask
        height, width = target.shape[:2]
        stretched, _ = _stretched(defect, mask, height, width)
        return _paste(target, stretched, _covered(mask, height, width), None, rng)


def _checked(anomaly: KnownAnomaly) -> Pair:
    if anomaly.mask is None or not anomaly.mask.any():
        raise ValueError(f"known anomaly {anomaly.name} has no mask, or an empty one")
    if anomaly.mask.shape != anomaly.image.shape[:2]:
        raise ValueError(
            f"mask of {anomaly.name} has shape {anomaly.mask.shape}, its image "
            f"{anomaly.image.shape}"
        )
    return anomaly.image, anomaly.mask


def _stretched(image: NDArray[np.uint8], mask: NDArray[np.bool_], height: int, width: int) -> Pair:
    """Resize both; a defect of few pixels may be lost."""
    shrinks = mask.size > height * width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), interpolation=method)
    nearest = cv2.resize(
        mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT
    )
    return resized.view(np.uint8), nearest.view(np.bool_)


def _covered(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Resize a mask so that each of its pixels marks one at least."""
    rows, columns = np.nonzero(mask)
    covered = np.zeros((height, width), dtype=np.bool_)
    covered[rows * height // mask.shape[0], columns * width // mask.shape[1]] = True
    return covered


def _paste(
    target: NDArray[np.uint8],
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    foreground: NDArray[np.bool_] | None,
    rng: Generator,
) -> Pair:
    """Paste the masked pixels of an image onto a copy of another of the same size.

    Where too little of the mask lies on the foreground, each connected piece of it is moved there,
    by itself. What leaves the image is lost.
    """
    if foreground is None or not mask.any() or foreground[mask].mean() > _ON_THE_PART:
        moves = iter([(mask.nonzero(), (0, 0))])
    else:
        moves = _moves(mask, foreground, rng)
    pasted, pasted_mask = target.copy(), np.zeros_like(mask)
    for (rows, columns), (down, right) in moves:
        to_rows, to_columns = rows + down, columns + right
        inside = _within(to_rows, mask.shape[0]) & _within(to_columns, mask.shape[1])
        to = to_rows[inside], to_columns[inside]
        pasted[to] = image[rows[inside], columns[inside]]
        pasted_mask[to] = True
    return pasted, pasted_mask


def _moves(
    mask: NDArray[np.bool_], foreground: NDArray[np.bool_], rng: Generator
) -> Iterator[tuple[Pixels, tuple[int, int]]]:
    """Each connected piece of a mask, and how far its centre must move to lie on the foreground.

    Yields:
        Rows and columns of a piece's pixels, and how far it goes down and right.
    """
    _, labels, stats, centres = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    boxes, centres = stats[1:], centres[1:]  # the first is the rest of the image
    tallest, widest = boxes[:, cv2.CC_STAT_HEIGHT].max(), boxes[:, cv2.CC_STAT_WIDTH].max()
    rows, columns = _roomy(foreground, int(tallest), int(widest)).nonzero()
    for piece, (left, top, width, height, _), (x, y) in zip(
        range(1, len(stats)), boxes.tolist(), centres.tolist(), strict=True
    ):
        box = labels[top : top + height, left : left + width] == piece
        piece_rows, piece_columns = box.nonzero()
        place = rng.integers(len(rows))
        move = int(rows[place]) - round(y), int(columns[place]) - round(x)
        yield (piece_rows + top, piece_columns + left), move


def _roomy(foreground: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """The foreground where a box of this size around a point stays inside the image.

    All of the foreground where there is no such point.
    """
    roomy = np.zeros_like(foreground)
    up, left = (height + 1) // 2, (width + 1) // 2
    window = np.s_[up : len(roomy) - up, left : roomy.shape[1] - left]
    roomy[window] = foreground[window]
    return roomy if roomy.any() else foreground


def _within(places: NDArray[np.intp], size: int) -> NDArray[np.bool_]:
    return (places >= 0) & (places < size)
