"""Pictures of parts for benchmarks of the pages: defective magnetic tiles under glowing maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from models.maps import encode_map

if TYPE_CHECKING:
    from db.store import ImageStore

DATA = Path(__file__).parents[2] / "shared" / "data" / "magnetic_tile"
#: What an inspection without a kept picture has in their place.
NOTHING_KEPT: dict[str, Any] = dict.fromkeys(
    ("image_key", "map_key", "map_low", "map_high", "width_px", "height_px")
)
MAP_PX = 128


class TilePictures:
    """Defective tiles, each under a map that glows where its mask is."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._rng = np.random.default_rng(0)
        self._masks = sorted((DATA / "ground_truth").glob("*/*_mask.png"))

    def put(self, number: int, score: float) -> dict[str, Any]:
        """Store the tile of that number, again from the first after the last.

        Returns:
            The columns of Inspection that name picture and map.
        """
        mask_file = self._masks[number % len(self._masks)]
        kind, name = mask_file.parent.name, mask_file.name.removesuffix("_mask.png")
        (file,) = (DATA / "test" / kind).glob(f"{name}.*")
        mask = cv2.imread(str(mask_file), cv2.IMREAD_GRAYSCALE)
        assert mask is not None
        height, width = mask.shape
        encoded = encode_map(self._map(mask, score))
        return {
            "image_key": self._store.put(file.read_bytes(), file.suffix.lower()),
            "map_key": self._store.put(encoded.png, ".png"),
            "map_low": encoded.low,
            "map_high": encoded.high,
            "width_px": width,
            "height_px": height,
        }

    def _map(self, mask: np.ndarray[Any, Any], score: float) -> np.ndarray[Any, Any]:
        scale = MAP_PX / max(mask.shape)
        size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
        glow = cv2.GaussianBlur((mask > 0).astype(np.float32), (0, 0), 5)
        glow = cv2.resize(glow, size, interpolation=cv2.INTER_AREA)
        noise = self._rng.normal(0.3, 0.05, glow.shape)
        return np.asarray(noise + glow / max(float(glow.max()), 1e-6) * (score - 0.3), np.float32)
