"""The whole measurement, from a model's folder to an answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psutil

from linewatch.capacity.capacity import LOAD_SHARE, PIPELINE_SHARE, Capacity, whole_cameras
from linewatch.capacity.child import ChildConfig
from linewatch.capacity.frames import BenchFrames, read_frames, synthetic_frames
from linewatch.capacity.measuring import measure, numbers_of_processes
from linewatch.capacity.processes import scoring_processes
from linewatch.errors import CapacityError
from linewatch.settings import usable_cores
from models.artifact import verify

if TYPE_CHECKING:
    from pathlib import Path

    from models.detector import Progress

#: How long other programs are watched.
BUSY_LOOK_S = 0.5


@dataclass(frozen=True)
class CapacityReport:
    """What was measured, of what, and how."""

    #: Name of the method.
    detector: str
    #: timm's name.
    backbone: str
    #: What ran it: `openvino` or `torch`.
    runtime: str
    #: Cores that may be used.
    cores: int
    #: Of each scoring process.
    threads: int
    #: Frames that a worker takes at once.
    max_batch: int
    #: What was scored.
    frames: BenchFrames
    #: Of each measurement.
    seconds: float
    #: Share of the processor, 0 to 1, that other programs used before anything was started.
    busy_before: float
    #: Frames/s of one camera, as asked for.
    fps: float
    capacity: Capacity

    def to_json(self) -> dict[str, Any]:
        """The report as `bench --json` writes it."""
        capacity, tried = self.capacity, self.capacity.tried
        return {
            "cameras": whole_cameras(capacity.carried_fps, self.fps),
            "fps_per_camera": self.fps,
            "fps_carried": capacity.carried_fps,
            "latency_ms_p50": tried.latency_ms_p50,
            "latency_ms_p99": tried.latency_ms_p99,
            "kept_up": tried.kept_up,
            "processes": capacity.best.processes,
            "threads": self.threads,
            "cores": self.cores,
            "fps_measured": capacity.best.batch_fps,
            "pipeline_share": PIPELINE_SHARE,
            "load_share": LOAD_SHARE,
            "rates": [asdict(rate) for rate in capacity.rates],
            "detector": self.detector,
            "backbone": self.backbone,
            "runtime": self.runtime,
            "frames": self.frames.source or "synthetic",
            "frame_height_px": self.frames.height_px,
            "frame_width_px": self.frames.width_px,
            "frame_bytes": self.frames.mean_bytes,
            "max_batch": self.max_batch,
            "seconds": self.seconds,
            "busy_before": self.busy_before,
        }


def measure_capacity(
    model_dir: Path,
    *,
    data: str | None,
    frame_size: tuple[int, int] | None,
    fps: float,
    processes: int | None,
    threads: int,
    max_batch: int,
    max_pixels: int,
    seconds: float,
    progress: Progress,
) -> CapacityReport:
    """Measure how many cameras a model carries here.

    Args:
        model_dir: what `train` wrote.
        data: the set whose pictures are scored; None: synthetic ones.
        frame_size: H and W of synthetic pictures; None: the model's input size.
        fps: frames/s of one camera.
        processes: None tries several numbers; see `numbers_of_processes`.
        threads: of each process.
        max_batch: frames that a worker takes at once.
        max_pixels: of one picture, as for workers.
        seconds: of each measurement.
        progress: called as progress(stage, done, total).

    Raises:
        CapacityError: if the pictures are too large, or a scoring process fails or dies.
        ModelError: if the model or the set cannot be had, or a picture not be read.
    """
    manifest = verify(model_dir)
    size = frame_size or (manifest.input_height, manifest.input_width)
    if data is None and size[0] * size[1] > max_pixels:
        raise CapacityError(
            f"pictures of {size[0]} x {size[1]} have more than {max_pixels} pixels, which workers "
            "refuse: make them smaller, or raise max_image_pixels"
        )
    frames = synthetic_frames(*size) if data is None else read_frames(data)
    cores = usable_cores()
    busy = psutil.cpu_percent(interval=BUSY_LOOK_S) / 100
    numbers = numbers_of_processes(processes, cores, threads)
    config = ChildConfig(model_dir.absolute(), frames.frames, threads, max_batch, max_pixels)
    with scoring_processes(max(numbers), config, progress) as children:
        capacity = measure(
            children, numbers, max_batch=max_batch, fps=fps, seconds=seconds, progress=progress
        )
    return CapacityReport(
        detector=manifest.detector,
        backbone=manifest.backbone,
        runtime=children.runtime,
        cores=cores,
        threads=threads,
        max_batch=max_batch,
        frames=frames,
        seconds=seconds,
        busy_before=busy,
        fps=fps,
        capacity=capacity,
    )
