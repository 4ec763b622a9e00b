"""BGAD's hyper-parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from models.bgad.parameters import PRESETS, BgadParameters
from models.errors import SettingError


def test_the_paper_preset_is_the_published_one() -> None:
    paper = PRESETS["paper"]

    assert (paper.backbone, paper.input_size) == ("tf_efficientnet_b6.aa_in1k", (256, 256))
    assert (paper.strides, paper.blocks, paper.position_channels) == ((4, 8, 16), 8, 128)
    assert (paper.meta_epochs, paper.sub_epochs, paper.image_batch) == (25, 8, 32)
    assert paper.normal_epochs == 1
    assert (paper.position_batch, paper.mini_batches, paper.learning_rate) == (4096, None, 2e-4)
    assert (paper.beta, paper.tau, paper.normalizer, paper.contrast) == (0.01, 0.1, 10, 1)
    assert (paper.repeats, paper.pseudo_per_anomaly, paper.focal) == (5, 5, True)
    assert (paper.likelihood, paper.violators, paper.warm_up) == ("log_sigmoid", "mean", "ramp")
    assert (paper.scaling, paper.gradient_norm, paper.mask_cells) == ("none", None, "nearest")
    assert (paper.neighbourhood, paper.rare_share) == (1, None)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("blocks", 0, "blocks is 0, expected 1 or more"),
        ("learning_rate", 0, "learning_rate is 0.*more than 0"),
        ("beta", 1.0, "beta is 1.0, expected a share"),
        ("strides", "[16, 8]", "finest first"),
        ("position_channels", 6, "multiple of 4"),
        ("violators", "median", "violators"),
        ("neighbourhood", 2, "neighbourhood is 2, expected an odd number"),
        ("normal_epochs", 21, "normal_epochs is 21, expected at most meta_epochs, 20"),
        ("rare_share", 1.0, "rare_share is 1.0, expected a share"),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        BgadParameters().changed({name: value})


def test_ablations_are_reached_by_name() -> None:
    changed = BgadParameters().changed(
        {"beta": "0.05", "push_pull": "false", "strides": "[8]", "gradient_norm": "null"}
    )

    assert changed == replace(
        BgadParameters(), beta=0.05, push_pull=False, strides=(8,), gradient_norm=None
    )
