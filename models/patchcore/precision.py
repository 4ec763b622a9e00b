"""Whether 8 bits are precise enough for a bank: decided on good images that it was not made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.detector import TrainingImages
    from models.patchcore.graph_scoring import GraphScoring
    from models.patchcore.index_scoring import IndexScoring

#: Images compared.
_IMAGES = 16
#: Root mean square error allowed, as a share of the spread among good patches, or good images. An
#: error that is independent of the score and has a share s of its spread costs an AUROC of 0.9
#: about 0.1 * s^2.
_PATCH_SHARE = 0.05
_IMAGE_SHARE = 0.02


def eight_bits_suffice(fast: GraphScoring, exact: IndexScoring, images: TrainingImages) -> bool:
    """True if both score held-out good `images` alike, in the map and as a whole.

    Where parts look the same but for little, and kinds of parts differ much, steps of 1/63 of the
    bank's range are too coarse to tell good patches apart.
    """
    pairs, seen = [], 0
    for batch in images.batches():
        pairs.append((*fast.score(batch), *exact.score(batch)))
        seen += len(batch)
        if seen >= _IMAGES:
            break
    if not pairs:
        return False
    grids, scores, exact_grids, exact_scores = map(np.concatenate, zip(*pairs, strict=True))
    grid_error = np.sqrt(np.square(grids - exact_grids).mean())
    error = np.sqrt(np.square(scores - exact_scores).mean())
    alike = grid_error < _PATCH_SHARE * exact_grids.std()
    return bool(alike and error < _IMAGE_SHARE * exact_scores.std())
