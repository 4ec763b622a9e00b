"""Which pixels of an evaluation are normal and which defective, and what could not be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np
import structlog

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.datasets import Sample

log = structlog.get_logger()


@dataclass
class PixelTruth:
    """Anomaly maps with the masks of their defects.

    A defective image without a mask, or with an empty one, is left out: where its defect lies is
    not known, and its pixels must not count as normal ones.
    """

    #: One (h, w) an image.
    maps: list[NDArray[np.float32]] = field(default_factory=list)
    #: Likewise.
    masks: list[NDArray[np.bool_]] = field(default_factory=list)
    #: Names of the defective images that were left out.
    unmarked: list[str] = field(default_factory=list)
    #: Connected regions in the masks as they were drawn.
    regions: int = 0
    #: How many of these are too small to have a pixel at the maps' size.
    lost: int = 0

    def add(self, sample: Sample, size: tuple[int, int], anomaly_map: NDArray[np.float32]) -> None:
        """Take one image.

        Args:
            sample: the image.
            size: its H and W.
            anomaly_map: (h, w).

        Raises:
            DatasetError: if its mask cannot be read or is of another size.
        """
        mask = sample.mask(*size) if sample.is_anomalous else np.zeros(size, np.bool_)
        if mask is None or (sample.is_anomalous and not mask.any()):
            self.unmarked.append(sample.name)
            return
        regions, small = _shrunk(mask, (anomaly_map.shape[0], anomaly_map.shape[1]))
        self.regions += regions
        self.lost += regions - len(np.setdiff1d(small, [0]))
        self.maps.append(anomaly_map)
        self.masks.append(small > 0)

    def log(self) -> None:
        """Say in one line each what was not used."""
        if self.unmarked and self.masks:
            log.warning(
                "evaluation.images_without_mask",
                left_out_of_pixel_figures=len(self.unmarked),
                first=self.unmarked[0],
            )
        if self.lost:
            log.warning("evaluation.defect_regions_lost", lost=self.lost, of=self.regions)


def _shrunk(mask: NDArray[np.bool_], size: tuple[int, int]) -> tuple[int, NDArray[np.float32]]:
    """How many 8-connected regions a mask has, and their numbers at another size."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    # OpenCV resizes no int32; float32 holds every number up to 2^24 exactly.
    small = cv2.resize(labels.astype(np.float32), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return count - 1, small.astype(np.float32, copy=False)
