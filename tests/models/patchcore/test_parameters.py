"""PatchCore's hyper-parameters."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from models.artifact import FORMAT, Manifest
from models.calibration import Calibration, Thresholds
from models.errors import ArtifactError
from models.hyperparameters import choose
from models.patchcore.parameters import PRESETS, PatchCoreParameters


def manifest(parameters: PatchCoreParameters, **changes: Any) -> Manifest:
    stored = json.loads(json.dumps(parameters.stored())) | changes
    return Manifest(
        format=FORMAT,
        detector="patchcore",
        backbone=parameters.backbone,
        weights_sha256="",
        input_height=parameters.input_height,
        input_width=parameters.input_width,
        hyperparameters=stored,
        seed=0,
        calibration=Calibration(Thresholds(1, 2), 0.1, 0.1, 9),
        train_images=10,
        known_anomalies=[],
        files={},
        code_version="",
        map_thresholds=Thresholds(0.5, 1.5),
        findings={},
    )


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_parameters_survive_the_manifest(preset: Any) -> None:
    parameters = replace(PRESETS[preset], input_height=192, neighbours=3)

    assert PatchCoreParameters.from_manifest(manifest(parameters)) == parameters


def test_a_named_backbone_replaces_the_presets() -> None:
    parameters = choose(PRESETS["paper"], "resnet18.tv_in1k", None)

    assert parameters.backbone == "resnet18.tv_in1k"
    assert parameters.aggregation == "official"


def test_parameters_of_another_version_are_refused() -> None:
    with pytest.raises(ArtifactError, match="are not those of patchcore"):
        PatchCoreParameters.from_manifest(manifest(PatchCoreParameters(), tomorrows=1))


@pytest.mark.parametrize(
    ("limit", "patches", "size"),
    [(4000, 385_024, 3850), (4000, 1_000_000, 4000), (None, 1_000_000, 10_000), (4000, 20, 1)],
)
def test_the_bank_is_a_share_of_the_patches_up_to_its_limit(
    limit: int | None, patches: int, size: int
) -> None:
    parameters = PatchCoreParameters(coreset_fraction=0.01, bank_limit=limit)

    assert parameters.bank_size(patches) == size


@pytest.mark.parametrize(("before", "size"), [(100, 300), (3900, 4000), (4000, 4000)])
def test_new_patches_add_their_share_to_a_bank_up_to_its_limit(before: int, size: int) -> None:
    parameters = PatchCoreParameters(coreset_fraction=0.01, bank_limit=4000)

    assert parameters.bank_size(20_000, before=before) == size
