"""Which runtime runs where."""

from __future__ import annotations

import pytest

from models import runtime
from models.errors import ModelError
from models.runtime import Engine, choose_engine


@pytest.mark.parametrize(
    ("gpu", "asked", "chosen"),
    [
        (False, ("auto", "auto"), Engine("cpu", "openvino")),
        (False, ("auto", "torch"), Engine("cpu", "torch")),
        (False, ("cpu", "openvino"), Engine("cpu", "openvino")),
        (True, ("auto", "auto"), Engine("cuda", "torch")),
        (True, ("auto", "torch"), Engine("cuda", "torch")),
        (True, ("auto", "openvino"), Engine("cpu", "openvino")),
        (True, ("cpu", "auto"), Engine("cpu", "openvino")),
        (True, ("cuda", "auto"), Engine("cuda", "torch")),
    ],
)
def test_auto_is_torch_on_a_gpu_and_openvino_on_a_cpu(
    gpu: bool, asked: tuple[str, str], chosen: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "cuda_is_there", lambda: gpu)

    assert choose_engine(*asked) == chosen


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("gpu", "auto"), "unknown device 'gpu': expected auto, cpu or cuda"),
        (("auto", "onnx"), "unknown runtime 'onnx': expected auto, openvino or torch"),
        (("cuda", "openvino"), "openvino runs on the CPU"),
        (("cuda", "auto"), "finds no NVIDIA GPU"),
    ],
)
def test_what_cannot_be_is_refused(
    asked: tuple[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "cuda_is_there", lambda: False)

    with pytest.raises(ModelError, match=message):
        choose_engine(*asked)


def test_fewer_threads_than_one_are_refused() -> None:
    with pytest.raises(ValueError, match="threads is 0"):
        choose_engine(threads=0)
