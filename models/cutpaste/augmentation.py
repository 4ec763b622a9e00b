"""CutPaste's two wrong images: a patch, or a scar, pasted somewhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.cutpaste.patches import (
    draw_angle,
    draw_patch_size,
    draw_scar_size,
    jitter,
    lay_over,
    rotate,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from models.cutpaste.patches import Pair


def cut_paste(
    image: NDArray[np.uint8], rng: Generator, *, patch_jitter: float
) -> NDArray[np.uint8]:
    """A copy of a (H, W, 3) RGB image in which a patch of it is pasted at another place."""
    frame = image.shape[0], image.shape[1]
    size = draw_patch_size(frame, rng)
    row, column = _place(frame, size, rng)
    patch = jitter(image[row : row + size[0], column : column + size[1]], patch_jitter, rng)
    row, column = _place(frame, size, rng)
    pasted = image.copy()
    pasted[row : row + size[0], column : column + size[1]] = patch
    return pasted


def cut_paste_scar(
    image: NDArray[np.uint8], rng: Generator, *, patch_jitter: float
) -> NDArray[np.uint8]:
    """A copy of a (H, W, 3) RGB image in which a thin, turned patch of it lies at another place."""
    frame = image.shape[0], image.shape[1]
    size = draw_scar_size(frame, rng)
    row, column = _place(frame, size, rng)
    patch = jitter(image[row : row + size[0], column : column + size[1]], patch_jitter, rng)
    canvas, opacity = rotate(patch, draw_angle(rng))
    # Turned, it may be larger than a small image.
    canvas, opacity = canvas[: frame[0], : frame[1]], opacity[: frame[0], : frame[1]]
    pasted = image.copy()
    lay_over(pasted, _place(frame, (canvas.shape[0], canvas.shape[1]), rng), canvas, opacity)
    return pasted


def _place(frame: Pair, size: Pair, rng: Generator) -> Pair:
    """Where the upper left pixel of a patch of `size` may lie, drawn evenly."""
    row, column = (
        int(rng.integers(limit - length + 1)) for limit, length in zip(frame, size, strict=True)
    )
    return row, column
