"""How many frames a second the way from push to committed row carries."""

from __future__ import annotations

import os
import time

from bench.results import write
from bench.system import LINE, system, workers
from ingest.doorbell import Doorbell
from ingest.frame import Frame
from ingest.stream import FrameStream, FullPolicy, StreamLimits
from workers.config import ScoringConfig

FRAMES = 20_000
FRAME_BYTES = 20_000


def main() -> None:
    """Push as fast as the stream takes it, from one camera process to one worker process."""
    image = os.urandom(FRAME_BYTES)
    limits = StreamLimits(max_frames=2_000)
    with system() as place:
        place.register(None)
        with workers(place, 1, ScoringConfig(max_batch=64), stand_in_ms=0.0):
            stream, doorbell = FrameStream(place.redis, LINE, limits), Doorbell(place.redis)
            started = time.perf_counter()
            waits = 0
            for sequence in range(FRAMES):
                frame = Frame.capture(LINE, "camera", sequence, image, "image/jpeg")
                while not (pushed := stream.push(frame, FullPolicy.BLOCK)).accepted:
                    waits += 1
                    time.sleep(0.002)
                if pushed.ring:
                    doorbell.call_worker(LINE)
            pushed_at = time.perf_counter()
            ended = place.wait_for_rows(FRAMES, 120)
    write(
        "carrying",
        "The way from push to committed row with a scorer that does nothing.",
        f"{FRAMES:,} frames of {FRAME_BYTES:,} bytes, one pushing process, one scoring process, "
        "Valkey with AOF everysec, SQLite WAL, batches of up to 64",
        {
            "frames/s, first push to last commit": f"{FRAMES / (ended - started):,.0f}",
            "pushes/s": f"{FRAMES / (pushed_at - started):,.0f}",
            "pushes that found the stream full": f"{waits:,}",
            "wanted": "at least 2,000 frames/s",
        },
    )
