"""A tiny run, to see that everything works: what it measures means nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.store import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

BACKBONE = "test_efficientnet"
SIDE = 32
SETTINGS: dict[str, Any] = {
    "input_height": SIDE,
    "input_width": SIDE,
    "strides": (4, 8),
    "blocks": 2,
    "position_channels": 8,
    "meta_epochs": 3,
    "normal_epochs": 1,
    "position_batch": 128,
    "mini_batches": 2,
    "rare_positions": 50,
}


def quick_plan(folder: Path = FOLDER / "loop") -> dict[str, Any]:
    """What replaces the defaults of a plan; the backbone's random weights are put into `folder`."""
    return {
        "settings": tuple(SETTINGS.items()),
        "rounds": (8, 16),
        "audit_rate": 1.0,
        "shadow_frames": 12,
        "false_rejects": 1.0,
        "backbone": BACKBONE,
        "weights": str(_random_weights(folder)),
        # OpenVINO takes seconds to convert a net.
        "runtime": "torch",
    }


def _random_weights(folder: Path) -> Path:
    import timm
    import torch
    from safetensors.torch import save_file

    file = folder / f"{BACKBONE}.safetensors"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        save_file(timm.create_model(BACKBONE).state_dict(), file)
    return file
