"""What scoring needs beside the flows: the levels' maxima, and the boundary as a score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.bgad.parameters import BgadParameters


@dataclass(frozen=True)
class Constants:
    """From good images that no flow has seen; one number a level, finest first."""

    #: Largest log-likelihood per dimension, in nats.
    maxima: list[float]
    #: Log-likelihood per dimension below which the share beta of good positions lies, in nats.
    boundaries: list[float]

    @classmethod
    def from_maps(cls, maps: Sequence[NDArray[np.float32]], beta: float) -> Constants:
        """Take them from each level's log-likelihoods, (images, h, w)."""
        ascending = [np.sort(level, axis=None) for level in maps]
        return cls(
            maxima=[float(level[-1]) for level in ascending],
            boundaries=[float(level[int(len(level) * beta)]) for level in ascending],
        )

    def boundary_score(self) -> float:
        """The score of a position that lies on the normal boundary in every level."""
        exponents = [
            boundary - maximum
            for boundary, maximum in zip(self.boundaries, self.maxima, strict=True)
        ]
        largest = max(exponents)
        return -largest - math.log(sum(math.exp(one - largest) for one in exponents))

    def findings(self, parameters: BgadParameters) -> dict[str, Any]:
        """BGAD's own boundaries, over the normalizer as in the paper, and the score they mean."""
        normal = [boundary / parameters.normalizer for boundary in self.boundaries]
        return {
            "normal_boundary": [round(boundary, 6) for boundary in normal],
            "abnormal_boundary": [round(boundary - parameters.tau, 6) for boundary in normal],
            "boundary_score": round(self.boundary_score(), 6),
        }
