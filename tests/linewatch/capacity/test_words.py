"""The answer in words and as figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from linewatch.capacity.capacity import Capacity, Rate, Tried
from linewatch.capacity.frames import synthetic_frames
from linewatch.capacity.report import CapacityReport
from linewatch.capacity.words import answer, conditions, rate_table


@pytest.fixture
def report() -> CapacityReport:
    rates = [Rate(1, 60.0, 50.0, 19.0, 24.0), Rate(2, 122.0, 98.0, 20.5, 31.0)]
    return CapacityReport(
        detector="patchcore",
        backbone="lite0",
        runtime="openvino",
        cores=2,
        threads=1,
        max_batch=4,
        frames=synthetic_frames(32, 48),
        seconds=10.0,
        busy_before=0.02,
        fps=5.0,
        capacity=Capacity(rates, Tried(10.0, 12.3, 45.6, 0.01)),
    )


def test_the_answer_says_cameras_latency_and_headroom(report: CapacityReport) -> None:
    first, others, latency, headroom = answer(report)

    # 122 * 0.81 * 0.70 = 69.17 frames/s.
    assert first == (
        "This machine carries 69 frames/s with 2 scoring processes of 1 thread: "
        "13 cameras at 5 frames/s."
    )
    assert others == "Or: 69 cameras at 1 frame/s, 34 at 2, 6 at 10, 2 at 25."
    assert "12 ms (p50)" in latency
    assert "46 ms (p99)" in latency
    for said in ("122 frames/s", "19%", "bench/RESULTS.md", "70%"):
        assert said in headroom


def test_a_rate_that_no_camera_reaches_is_said_plainly(report: CapacityReport) -> None:
    first, others, *_ = answer(replace(report, fps=100.0))

    assert first.endswith(": no camera at 100 frames/s.")
    assert others == "Or: 69 cameras at 1 frame/s, 34 at 2, 13 at 5, 6 at 10, 2 at 25."


def test_a_model_too_slow_for_any_camera_gets_no_empty_list(report: CapacityReport) -> None:
    slow = Capacity([Rate(1, 1.0, 1.0, 900.0, 1100.0)], Tried(10.0, 900.0, 1100.0, 0.5))

    lines = answer(replace(report, capacity=slow))

    assert lines[0].startswith("This machine carries 0.5 frames/s with 1 scoring process of")
    assert not any(line.startswith("Or") for line in lines)


def test_doubtful_figures_are_called_so(report: CapacityReport) -> None:
    late = Capacity(report.capacity.rates, Tried(10.0, 900.0, 4000.0, 3.2))

    lines = answer(replace(report, busy_before=0.85, capacity=late))

    assert "85% of the processor" in lines[-2]
    assert "did not keep up" in lines[-1]
    assert "3 s late" in lines[-1]
    assert late.tried.kept_up is False


def test_what_was_measured_is_told(report: CapacityReport) -> None:
    model, pictures = conditions(report)

    assert model == "model: patchcore on lite0, run by openvino on 2 cores"
    assert "synthetic" in pictures
    assert "--data" in pictures
    real = replace(report.frames, source="line4")
    assert conditions(replace(report, frames=real))[1].startswith("pictures: 16 of line4, about 32")


def test_the_table_has_a_row_for_each_number_of_processes(report: CapacityReport) -> None:
    headings, rows = rate_table(report)

    assert "frames/s in batches of 4" in headings
    assert rows == [
        ["1", "1", "60.0", "50.0", "19.0 ms", "24.0 ms"],
        ["2", "1", "122.0", "98.0", "20.5 ms", "31.0 ms"],
    ]


def test_the_figures_agree_with_the_words(report: CapacityReport) -> None:
    figures = report.to_json()

    assert figures["cameras"] == 13
    assert figures["fps_carried"] == pytest.approx(69.174)
    assert figures["processes"] == 2
    assert figures["rates"][1]["batch_fps"] == 122.0
