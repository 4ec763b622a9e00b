"""SimpleNet's hyper-parameters."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import SettingError
from models.hyperparameters import choose
from models.simplenet.parameters import PRESETS


def test_the_paper_preset_is_the_released_codes() -> None:
    paper = PRESETS["paper"]

    assert paper.backbone == "wide_resnet50_2.tv_in1k"
    assert (paper.aggregation, paper.width, paper.strides) == ("official", 1536, (8, 16))
    assert (paper.noise, paper.noise_up_to, paper.margin, paper.hidden) == (0.015, 0.015, 0.5, 1024)
    assert (paper.batch_of, paper.batch, paper.epochs, paper.steps) == ("images", 8, 40 * 4, 0)
    assert (paper.learning_rate, paper.weight_decay) == (2e-4, 1e-5)
    assert (paper.adaptor_learning_rate, paper.adaptor_weight_decay) == (1e-4, 1e-2)
    assert (paper.scaling, paper.noise_kind) == ("none", "gaussian")
    assert paper.adaptor
    assert not paper.cosine


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise": 0}, "noise is 0.0, expected more than 0"),
        ({"noise": 2, "noise_up_to": 1}, "noise_up_to is 1.0, expected at least noise, 2.0"),
        ({"batch": 0}, "batch is 0, expected 1 or more"),
        ({"margin": -0.5}, "margin is -0.5, expected 0 or more"),
        ({"learning_rate": "nan"}, "learning_rate is nan, expected more than 0"),
        ({"scaling": "log"}, "scaling='log'"),
    ],
)
def test_values_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        choose(PRESETS["fast"], None, settings)
