"""The answer as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linewatch.capacity.capacity import LOAD_SHARE, PIPELINE_SHARE, whole_cameras

if TYPE_CHECKING:
    from linewatch.capacity.frames import BenchFrames
    from linewatch.capacity.report import CapacityReport

#: Frame rates for which the answer is given besides the one asked for.
OTHER_FPS = (1, 2, 5, 10, 25)
#: Share of the processor from which other programs make the figures doubtful.
BUSY = 0.1


def conditions(report: CapacityReport) -> list[str]:
    """What was measured: model, machine and pictures."""
    cores = _count(report.cores, "core", "cores")
    return [
        f"model: {report.detector} on {report.backbone}, run by {report.runtime} on {cores}",
        _pictures(report.frames),
    ]


def rate_table(report: CapacityReport) -> tuple[list[str], list[list[str]]]:
    """Headings, and one row for each number of processes."""
    headings = [
        "processes",
        "threads each",
        f"frames/s in batches of {report.max_batch}",
        "frames/s one by one",
        "p50",
        "p99",
    ]
    rows = [
        [
            str(rate.processes),
            str(report.threads),
            f"{rate.batch_fps:.1f}",
            f"{rate.single_fps:.1f}",
            f"{rate.single_ms_p50:.1f} ms",
            f"{rate.single_ms_p99:.1f} ms",
        ]
        for rate in report.capacity.rates
    ]
    return headings, rows


def answer(report: CapacityReport) -> list[str]:
    """How many cameras at what frame rate, how long a frame takes then, and the headroom."""
    capacity, tried = report.capacity, report.capacity.tried
    carried = capacity.carried_fps
    processes = _count(capacity.best.processes, "scoring process", "scoring processes")
    lines = [
        f"This machine carries {_rate(carried)} frames/s with {processes} of "
        f"{_count(report.threads, 'thread', 'threads')}: {_cameras(carried, report.fps)}.",
        *_other_rates(carried, report.fps),
        f"At that load a frame had its score {tried.latency_ms_p50:.0f} ms (p50) and "
        f"{tried.latency_ms_p99:.0f} ms (p99) after it came, tried for {tried.seconds:g} s.",
        f"Headroom: of {_rate(capacity.best.batch_fps)} frames/s scored in batches, "
        f"{1 - PIPELINE_SHARE:.0%} are left to cameras, Redis, database and image store (a share "
        "measured on another machine: bench/RESULTS.md, overhead); of the rest, a load of "
        f"{LOAD_SHARE:.0%} is planned.",
    ]
    if report.busy_before > BUSY:
        lines.append(
            f"Other programs used {report.busy_before:.0%} of the processor before it began: end "
            "them, and measure again, or plan with what they leave."
        )
    if not tried.kept_up:
        lines.append(
            f"But it did not keep up: the last score came {tried.late_s:.0f} s late; measure again "
            "when nothing else runs."
        )
    return lines


def _pictures(frames: BenchFrames) -> str:
    size = f"{frames.height_px} x {frames.width_px} px, {frames.mean_bytes / 1000:.0f} kB"
    if frames.is_synthetic:
        return (
            f"pictures: synthetic JPEGs of {size}; decoding is part of the time, so give pictures "
            "of the line with --data, or their size with --frame-size"
        )
    return f"pictures: {len(frames.frames)} of {frames.source}, about {size} each"


def _cameras(carried: float, fps: float) -> str:
    count = whole_cameras(carried, fps)
    cameras = _count(count, "camera", "cameras") if count else "no camera"
    return f"{cameras} at {fps:g} {'frame' if fps == 1 else 'frames'}/s"


def _other_rates(carried: float, asked: float) -> list[str]:
    """One line about frame rates that were not asked for, or none."""
    first, *more = [fps for fps in OTHER_FPS if fps != asked]
    if not whole_cameras(carried, first):
        return []
    others = [f"{count} at {fps}" for fps in more if (count := whole_cameras(carried, fps))]
    return [f"Or: {', '.join([_cameras(carried, first), *others])}."]


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _rate(fps: float) -> str:
    """Rounded down, as cameras are: nothing is promised that was not measured."""
    return f"{int(fps)}" if fps >= 10 else f"{int(fps * 10) / 10}"
