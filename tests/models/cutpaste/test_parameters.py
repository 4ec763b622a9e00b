"""CutPaste's and CutSwap's hyper-parameters."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from models.cutpaste.parameters import PRESETS, TuningParameters
from models.cutswap.parameters import PRESETS as CUTSWAP_PRESETS
from models.errors import SettingError
from models.hyperparameters import choose
from models.patchcore.parameters import PatchCoreParameters


@pytest.mark.parametrize(("preset", "own"), [("fast", set()), ("paper", {"patch_jitter"})])
def test_both_methods_are_tuned_alike(preset: Any, own: set[str]) -> None:
    # CutSwap's paper leaves patches their colours; everything else would be no fair comparison.
    differing = {
        field.name
        for field in fields(TuningParameters)
        if getattr(PRESETS[preset], field.name) != getattr(CUTSWAP_PRESETS[preset], field.name)
    }

    assert differing == own


def test_the_papers_presets_name_their_weights_and_budget() -> None:
    paper = CUTSWAP_PRESETS["paper"]

    assert (paper.backbone, paper.classifier) == ("resnet18.tv_in1k", "vgg16.tv_in1k")
    assert (paper.updates, paper.batch_images, paper.lr) == (65_536, 32, 0.03)
    assert (len(paper.saliency_strides), paper.clusters, paper.head_width) == (5, 4, 512)
    assert paper.tuned_strides == (8, 16, 32)


def test_patchcores_own_part_is_its_fields() -> None:
    own = choose(PRESETS["fast"], None, {"coreset_fraction": 0.001, "updates": 3}).patchcore()

    assert own == PatchCoreParameters(coreset_fraction=0.001)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("updates", 0),
        ("batch_images", 0),
        ("head_width", 0),
        ("lr", -1.0),
        ("backbone_lr", -0.1),
        ("weight_decay", -1e-3),
        ("head_only_updates", -1),
        ("head_layers", -1),
        ("image_jitter", 0.6),
        ("patch_jitter", -0.1),
        ("window", 16),
        ("window", 512),
        ("clip_norm", 0.0),
        ("clusters", 0),
        ("sorted_pixels", 1),
        ("tanh_levels", -1),
        ("cluster", "largest"),
        ("selection", "none"),
        ("saliency_strides", []),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=name):
        choose(CUTSWAP_PRESETS["fast"], None, {name: value})
