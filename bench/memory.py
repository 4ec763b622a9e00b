"""Resident memory of a scoring worker and of ingest over 10,000 frames."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import psutil

from bench.model import frames, trained
from bench.results import write
from bench.system import LINE, system, workers
from workers.config import ScoringConfig

FRAMES = 10_000
MIB = 1024 * 1024
CONFIG = """
redis_url = "{redis_url}"

[[cameras]]
line = "{line}"
name = "film"
source = "{film}"
policy = "block"
encoding = "jpeg"
loop = true
realtime = false
"""


def make_video(path: Path, seconds: int) -> None:
    """A film of cells that ingest decodes and encodes again, as a camera's would be."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (300, 300))
    for data, _ in frames(seconds * 25):
        writer.write(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    writer.release()


def main() -> None:
    """Film, ingest, Valkey, two workers; memory is read every 0.5 s."""
    seen: dict[str, list[float]] = {"worker": [], "ingest": []}
    with system() as place, tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        make_video(film, 40)
        place.register(trained())
        with workers(place, 2, ScoringConfig()) as scoring:
            config = Path(folder) / "linewatch.toml"
            config.write_text(CONFIG.format(redis_url=place.redis_url, line=LINE, film=film))
            command = [sys.executable, "-m", "linewatch", "ingest", "--config", str(config)]
            log = (place.home / "ingest.log").open("ab")
            ingest = subprocess.Popen(command, stderr=log)
            try:
                while (done := place.rows()) < FRAMES:
                    if ingest.poll() is not None:
                        raise RuntimeError((place.home / "ingest.log").read_text()[-500:])
                    if done > 500:  # warm
                        rss = max(psutil.Process(p.pid).memory_info().rss for p in scoring)
                        seen["worker"].append(rss / MIB)
                        seen["ingest"].append(psutil.Process(ingest.pid).memory_info().rss / MIB)
                    time.sleep(0.5)
            finally:
                ingest.terminate()
                ingest.wait()
    rows = {}
    for name, values in seen.items():
        tenth = max(1, len(values) // 10)
        first, last = values[:tenth], values[-tenth:]
        growth = sum(last) / tenth - sum(first) / tenth
        rows[f"{name}, largest"] = f"{max(values):.0f} MiB"
        rows[f"{name}, last tenth minus first tenth"] = f"{growth:+.1f} MiB"
    rows["wanted"] = "worker below 1,536 MiB, ingest below 300 MiB, flat"
    write(
        "memory",
        "Resident memory while 10,000 frames pass.",
        "PatchCore fast (tf_efficientnet_lite0, 256 px) on a film of elpv:mono cells (MPEG-4, "
        "300 x 300), JPEG quality 95, 2 scoring processes x 1 thread, SQLite",
        rows,
    )
