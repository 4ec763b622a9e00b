"""The positions that flows learn from: features of normal, known and pseudo anomalous images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from models.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from models.bgad.parameters import BgadParameters, MaskCells

#: What a position counts as; a rare one is normal too.
NORMAL, ABNORMAL, LEFT_OUT, RARE = range(4)


@dataclass(frozen=True)
class Group:
    """Images with one level's features, and what their cells count as."""

    #: (images, h, w, C).
    features: NDArray[np.float16]
    #: (images, h * w): NORMAL, ABNORMAL, LEFT_OUT or RARE.
    labels: NDArray[np.uint8]

    @classmethod
    def of_normal(
        cls, features: NDArray[np.float16], rare: NDArray[np.int64] | None = None
    ) -> Group:
        """Images of which every cell is normal, and some are `rare`: (n,), image * h * w + cell."""
        cells = features.shape[1] * features.shape[2]
        labels = np.full(len(features) * cells, NORMAL, dtype=np.uint8)
        if rare is not None:
            labels[rare] = RARE
        return cls(features, labels.reshape(-1, cells))


class MiniBatch(NamedTuple):
    """Positions of one level, for one step."""

    #: (n, C), as the backbone gives them.
    features: Tensor
    #: (n,) int64, row * w + column.
    cells: Tensor
    #: (n,) bool.
    abnormal: Tensor


class LevelPositions:
    """What one level learns from in a pass: entries, each an image of one of the groups."""

    def __init__(self, groups: Sequence[Group], entries: NDArray[np.int64]) -> None:
        """Take `entries`, which number the images of all groups through; one may come repeatedly.

        Args:
            groups: of one level.
            entries: (E,).
        """
        self._groups = groups
        self._entries = entries
        self._labels = np.concatenate([group.labels for group in groups])  # (images, h * w)

    @property
    def count(self) -> int:
        """How many entries."""
        return len(self._entries)

    def mini_batches(
        self, chosen: NDArray[np.int64], parameters: BgadParameters, rng: Generator
    ) -> Iterator[MiniBatch]:
        """Mix the positions of the `chosen` places among the entries, and cut them up."""
        images = self._entries[chosen]
        labels = self._labels[images]  # (chosen, h * w)
        if parameters.mini_batches is None:
            places = rng.permutation(np.flatnonzero(labels != LEFT_OUT))
            size = parameters.position_batch
            ends = range(size, len(places) + 1, size)
            drawn = iter([places[end - size : end] for end in ends])
        else:
            drawn = _draws(labels, parameters, rng)
        for places in drawn:
            yield self._gather(images, places, labels)

    def _gather(
        self, images: NDArray[np.int64], places: NDArray[np.int64], labels: NDArray[np.uint8]
    ) -> MiniBatch:
        rows, cells = np.divmod(places, labels.shape[1])
        wanted = images[rows]
        channels = self._groups[0].features.shape[-1]
        features = np.empty((len(places), channels), dtype=np.float32)
        start = 0
        for group in self._groups:
            own = (wanted >= start) & (wanted < start + len(group.features))
            flat = group.features.reshape(len(group.features), -1, channels)
            features[own] = flat[wanted[own] - start, cells[own]]
            start += len(group.features)
        return MiniBatch(
            torch.from_numpy(features),
            torch.from_numpy(cells),
            torch.from_numpy(labels.reshape(-1)[places] == ABNORMAL),
        )


def _draws(
    labels: NDArray[np.uint8], parameters: BgadParameters, rng: Generator
) -> Iterator[NDArray[np.int64]]:
    """Draw positions with replacement, so that no level can run out of them."""
    flat = labels.reshape(-1)
    abnormal, rare = np.flatnonzero(flat == ABNORMAL), np.flatnonzero(flat == RARE)
    share = parameters.abnormal_share if len(abnormal) else 0.0
    others = np.flatnonzero(
        flat != LEFT_OUT if share is None else (flat == NORMAL) | (flat == RARE)
    )
    of_abnormal = int((share or 0.0) * parameters.position_batch)
    of_normal = parameters.position_batch - of_abnormal
    of_rare = int((parameters.rare_share or 0.0) * of_normal) if len(rare) else 0
    drawn_from = [(others, of_normal - of_rare), (rare, of_rare), (abnormal, of_abnormal)]
    for _ in range(parameters.mini_batches or 0):
        yield np.concatenate(
            [places[rng.integers(len(places), size=n)] for places, n in drawn_from if n]
        )


def batches_of_images(
    entries: int, parameters: BgadParameters, rng: Generator
) -> list[NDArray[np.int64]]:
    """Shuffle the places of a pass and cut them into batches; what is left over is dropped."""
    order = rng.permutation(entries)
    size = parameters.image_batch or entries
    return [order[end - size : end] for end in range(size, entries + 1, size)]


def mask_labels(
    mask: NDArray[np.bool_], height: int, width: int, rule: MaskCells
) -> NDArray[np.uint8]:
    """What the cells of a (height, width) grid count as, (height * width,), under a (H, W) mask.

    `nearest` may lose a small defect on a coarse grid, as the released code does; with `touched`
    every pixel counts.
    """
    if rule == "nearest":
        drawn = mask.astype(np.uint8)
        near = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_NEAREST)
        return np.where(near.reshape(-1) > 0, ABNORMAL, NORMAL).astype(np.uint8)
    labels = np.full((height, width), NORMAL, dtype=np.uint8)
    rows, columns = np.nonzero(mask)
    labels[rows * height // mask.shape[0], columns * width // mask.shape[1]] = ABNORMAL
    return labels.reshape(-1)


def least_likely_labels(likelihoods: NDArray[np.float32], share: float) -> NDArray[np.uint8]:
    """What the positions of an image count as that is known to be defective somewhere.

    Args:
        likelihoods: (h, w), log-likelihoods under the present flow.
        share: of positions, the least likely, that count as abnormal, one at least.

    Returns:
        (h * w,): the others are left out, as any of them may be abnormal too.
    """
    flat = likelihoods.reshape(-1)
    labels = np.full(len(flat), LEFT_OUT, dtype=np.uint8)
    labels[np.argsort(flat, kind="stable")[: max(1, round(share * len(flat)))]] = ABNORMAL
    return labels


def check_enough(entries: int, cells: Sequence[int], parameters: BgadParameters) -> None:
    """Make sure that every level gets mini-batches.

    Args:
        entries: images of a pass.
        cells: positions of an image in each level.
        parameters: sizes of the batches.

    Raises:
        SettingError: naming the level and what to change.
    """
    batch = parameters.image_batch or entries
    if entries < batch:
        raise SettingError(
            f"{entries} training images make no batch of {batch}, so nothing would be learnt: "
            f"set image_batch to {entries} or fewer, or add images"
        )
    if parameters.mini_batches is not None:
        return
    for stride, count in zip(parameters.strides, cells, strict=True):
        if batch * count < parameters.position_batch:
            raise SettingError(
                f"the level at stride {stride} has {count} positions an image, {batch * count} in "
                f"a batch of {batch} images, and would never be trained with mini-batches of "
                f"{parameters.position_batch}: set image_batch to "
                f"{-(-parameters.position_batch // count)} or more, or position_batch to "
                f"{batch * count} or fewer"
            )
