"""CutSwap's hyper-parameters, and its two presets."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, TypeAlias

from models.cutpaste.parameters import PRESETS as CUTPASTE_PRESETS
from models.cutpaste.parameters import TuningParameters

if TYPE_CHECKING:
    from typing import Any

    from models.detector import Preset

#: Which cluster: that of the most salient pixels, the least, or any.
ClusterChoice: TypeAlias = Literal["max", "min", "random"]


@dataclass(frozen=True)
class CutSwapParameters(TuningParameters):
    """CutSwap's: CutPaste's, and what is salient. Defaults: the fast preset."""

    #: timm's name of the classifier whose saliency counts.
    classifier: str = "tf_efficientnet_lite0"
    #: Strides of its levels that give a map each, finest first; an update draws one of them.
    saliency_strides: tuple[int, ...] = (2, 4, 8, 16, 32)
    #: That many of the finest maps are rescaled by a tanh, as the LayerCAM paper does and its
    #: released code does not.
    tanh_levels: int = 0
    #: `clusters` takes one cluster of a map's intensities, `sorting` the most salient pixels.
    selection: Literal["clusters", "sorting"] = "clusters"
    #: K of k-means.
    clusters: int = 4
    #: Which of them holds the anchors, by its centre.
    cluster: ClusterChoice = "max"
    #: How many pixels `sorting` takes.
    sorted_pixels: int = 300

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        super().__post_init__()
        if not self.saliency_strides:
            raise ValueError("saliency_strides is empty, expected at least one")
        if self.clusters < 1:
            raise ValueError(f"clusters is {self.clusters}, expected 1 or more")
        if self.sorted_pixels < 2:
            raise ValueError(f"sorted_pixels is {self.sorted_pixels}, expected 2 or more")
        if self.tanh_levels < 0:
            raise ValueError(f"tanh_levels is {self.tanh_levels}, expected 0 or more")


def _as_cutpaste(preset: Preset, **own: Any) -> CutSwapParameters:
    """All that CutPaste's preset has, but `own`: the comparison is to be fair."""
    shared = {
        field.name: getattr(CUTPASTE_PRESETS[preset], field.name)
        for field in fields(TuningParameters)
    }
    return CutSwapParameters(**(shared | own))


# (L, n, K, d) = (30, 5, 4, 512) in the paper: VGG16's layers 4, 9, 16, 23 and 30 are its
# max-pooling layers, of strides 2 to 32; d is `head_width`. There patches keep their colours; in
# the fast preset they vary as CutPaste's do, so that the two methods differ in where patches go and
# in nothing else. On the development sets (mean of elpv-mono and magnetic_tile, coreset 0.2 %) that
# made no difference: image AUROC 0.864 with jitter, 0.863 without.
PRESETS: dict[Preset, CutSwapParameters] = {
    "fast": _as_cutpaste("fast"),
    "paper": _as_cutpaste("paper", classifier="vgg16.tv_in1k", patch_jitter=0.0),
}
