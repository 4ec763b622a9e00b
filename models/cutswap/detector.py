"""CutSwap + PatchCore as a detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.cutpaste.detector import TunedPatchCore
from models.cutswap.parameters import PRESETS, CutSwapParameters
from models.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.classifier import Classifier
    from models.cutpaste.batches import Augmentation
    from models.detector import Progress


class CutSwap(TunedPatchCore):
    """PatchCore on a backbone tuned with patches swapped between salient places."""

    name = "cutswap"
    presets = PRESETS
    parameters: CutSwapParameters
    _classifier: Classifier

    def _prepare(self, weights: Path | None) -> None:
        from models.classifier import load_classifier

        name = self.parameters.classifier
        # A file is the backbone's; a folder may hold the classifier's too.
        shared = weights is None or weights.is_dir() or name == self.parameters.backbone
        try:
            self._classifier = load_classifier(name, weights=weights if shared else None)
        except WeightsError as exc:
            raise WeightsError(
                f"{exc}; {name} gives CutSwap's saliency: give a folder with weights of both, or "
                f"set classifier={self.parameters.backbone}"
            ) from exc
        self._classifier.levels(self.parameters.saliency_strides)
        self._findings = {
            "saliency_classifier": name,
            "saliency_weights_sha256": self._classifier.weights_sha256(),
            "saliency_strides": list(self.parameters.saliency_strides),
        }

    def _augmentation(
        self, images: NDArray[np.uint8], seed: int, progress: Progress
    ) -> Augmentation:
        from models.cutswap.augmentation import Swapping
        from models.cutswap.masks import find_salient_pixels

        salient = find_salient_pixels(
            self._classifier,
            images,
            self.parameters,
            seed=seed,
            device=self._engine.device,
            progress=progress,
        )
        return Swapping(salient, self.parameters)
