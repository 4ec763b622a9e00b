"""`linewatch bench` with a trained model and real scoring processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import cv2
import numpy as np
import psutil
import pytest

from linewatch.capacity.child import ChildConfig
from linewatch.capacity.frames import synthetic_frames
from linewatch.capacity.loads import Flood
from linewatch.capacity.processes import scoring_processes
from linewatch.errors import CapacityError
from models.training import train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Outcome

    Linewatch = Callable[..., Outcome]

pytestmark = pytest.mark.slow

SIDE = 64


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with grain in MVTec layout."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name in [*(f"train/good/{index}" for index in range(6)), "test/good/0", "test/dent/0"]:
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.normal(120, 6, (90, 120)).clip(0, 255).astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PatchCore on small pictures."""
    folder = tmp_path_factory.mktemp("models") / "small"
    train(data, out=folder, threads=1, settings={"input_height": SIDE, "input_width": SIDE})
    return folder


def test_the_answer_comes_in_words_and_as_figures(
    linewatch: Linewatch, model: Path, data: Path, tmp_path: Path
) -> None:
    outcome = linewatch(
        *("bench", model, "--data", data, "--seconds", 1, "--fps", 0.5),
        *("--processes", 2, "--json", tmp_path / "bench.json"),
    )

    assert outcome.code == 0, outcome.err
    figures = json.loads((tmp_path / "bench.json").read_text())
    assert figures["detector"] == "patchcore"
    assert figures["runtime"] == "openvino"
    assert (figures["frame_height_px"], figures["frame_width_px"]) == (90, 120)
    (rate,) = figures["rates"]
    assert rate["processes"] == figures["processes"] == 2
    assert 0 < rate["single_ms_p50"] <= rate["single_ms_p99"]
    assert figures["fps_carried"] == pytest.approx(rate["batch_fps"] * 0.81 * 0.70)
    assert figures["cameras"] == int(figures["fps_carried"] / 0.5)
    assert f": {figures['cameras']} cameras at 0.5 frames/s." in outcome.out
    assert "measuring: 3 of 3" in outcome.err


def test_without_pictures_synthetic_ones_of_the_size_asked_for_are_scored(
    linewatch: Linewatch, model: Path, tmp_path: Path
) -> None:
    words = ["bench", model, "--seconds", 1, "--processes", 1, "--json", tmp_path / "bench.json"]

    assert linewatch(*words).code == 0
    figures = json.loads((tmp_path / "bench.json").read_text())
    assert (figures["frames"], figures["frame_height_px"]) == ("synthetic", SIDE)

    outcome = linewatch(*words, "--frame-size", "100x140")

    assert outcome.code == 0
    figures = json.loads((tmp_path / "bench.json").read_text())
    assert (figures["frame_height_px"], figures["frame_width_px"]) == (100, 140)
    assert "synthetic JPEGs of 100 x 140 px" in outcome.out


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--frame-size", "3x4"], ["--frame-size", "'3x4'", "1024x1280"]),
        (["--frame-size", "big"], ["--frame-size", "'big'"]),
        (["--data", "nowhere"], ["nowhere", "does not exist"]),
        (["--data", "d", "--frame-size", "64x64"], ["--frame-size", "--data"]),
        (["--processes", 0], ["--processes", "0"]),
        (["--fps", 0], ["--fps", "0"]),
        (["--threads", 0], ["worker_threads", "0"]),
        (["--seconds", "nan"], ["--seconds", "nan"]),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    linewatch: Linewatch, model: Path, words: list[object], wanted: list[str]
) -> None:
    refused(linewatch("bench", model, *words), *wanted)


def test_a_folder_without_a_model_or_with_a_changed_one_is_one_line(
    linewatch: Linewatch, model: Path, tmp_path: Path
) -> None:
    refused(linewatch("bench", tmp_path), str(tmp_path), "no trained model")
    changed = tmp_path / "changed"
    shutil.copytree(model, changed)
    with (changed / "graph.bin").open("ab") as file:
        file.write(b"\0")
    refused(linewatch("bench", changed), "graph.bin")


def refused(outcome: Outcome, *wanted: str) -> None:
    """Exit code 2 and one line that says all that is wanted."""
    assert outcome.code == 2
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    for text in wanted:
        assert text in line


def test_pictures_that_a_worker_would_refuse_are_one_line(
    linewatch: Linewatch, model: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(linewatch("bench", model, "--frame-size", "20000x20000"), "20000", "max_image_pixels")

    monkeypatch.setenv("LINEWATCH_MAX_IMAGE_PIXELS", "10000")  # the set's have 90 x 120
    outcome = linewatch("bench", model, "--processes", 1, "--data", data)

    assert outcome.code == 2
    assert "too_large" in outcome.err.splitlines()[-1]


def test_a_process_that_is_killed_is_noticed_and_the_others_end(model: Path) -> None:
    frames = synthetic_frames(SIDE, SIDE).frames
    config = ChildConfig(model, frames, threads=1, max_batch=4, max_pixels=10**6)
    before = set(psutil.Process().children())

    with scoring_processes(2, config, lambda *_: None) as children:
        ours = [p for p in set(psutil.Process().children()) - before if is_scoring(p)]
        assert len(ours) == 2
        ours[0].kill()
        with pytest.raises(CapacityError, match="exit code -9"):
            children.ask(Flood(1, begin_at=0.0, seconds=0.2), 2)

    assert not any(process.is_running() for process in ours)


def is_scoring(process: psutil.Process) -> bool:
    """Not Python's own helper that watches over semaphores."""
    return any("spawn_main" in word for word in process.cmdline())


def test_ctrl_c_ends_all_processes_with_one_line(model: Path) -> None:
    command = [sys.executable, "-m", "linewatch", "bench", str(model), "--seconds", "60"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stderr is not None
        seen = ""
        while "measuring: 0" not in seen:
            seen = running.stderr.readline()
            assert seen, "it ended by itself"

        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: all processes get it

        assert running.stderr.read() == "linewatch: stopped; nothing was measured\n"
        assert running.wait(30) == 130
