"""From capture to committed verdict while the line runs at half of what it can carry."""

from __future__ import annotations

import time

from bench.model import frames, trained
from bench.overhead import plain_rate
from bench.results import percentile, write
from bench.system import LINE, system, workers
from ingest.doorbell import Doorbell
from ingest.frame import Frame
from ingest.stream import FrameStream, FullPolicy
from models.images import decode
from models.scorer import load_scorer
from workers.config import ScoringConfig

SECONDS = 40


def batch_ms(batch: int) -> float:
    """Time of one batch on one thread, decoding included; the median of 20."""
    scorer = load_scorer(trained(), threads=1)
    cells = [data for data, _ in frames(batch)]
    times = []
    for _ in range(20):
        started = time.perf_counter()
        scorer.score([decode(data) for data in cells])
        times.append((time.perf_counter() - started) * 1e3)
    return percentile(times, 0.5)


def main() -> None:
    """Offer frames at half of what two plain loops score, evenly spaced."""
    model, config = trained(), ScoringConfig()
    one, full = batch_ms(1), batch_ms(config.max_batch)
    rate = plain_rate(model, 2, 1) / 2
    cells = frames(int(SECONDS * rate))
    with system() as place:
        place.register(model)
        with workers(place, 2, config):
            stream, doorbell = FrameStream(place.redis, LINE), Doorbell(place.redis)
            started = time.perf_counter()
            for sequence, (data, media_type) in enumerate(cells):
                time.sleep(max(0.0, started + sequence / rate - time.perf_counter()))
                frame = Frame.capture(LINE, "camera", sequence, data, media_type)
                if stream.push(frame, FullPolicy.BLOCK).ring:
                    doorbell.call_worker(LINE)
            place.wait_for_rows(len(cells), 60)
            latencies = stream.latencies_ms()
    p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
    write(
        "latency",
        "Capture to committed verdict at half load.",
        f"PatchCore fast (tf_efficientnet_lite0, 256 px, seed 0) on elpv:mono cells, OpenVINO, "
        f"2 processes x 1 thread, SQLite, {rate:.0f} frames/s for {SECONDS} s, "
        f"batches of up to {config.max_batch}",
        {
            "p50": f"{p50:.1f} ms",
            "p99": f"{p99:.1f} ms",
            "one batch of 1 on one thread": f"{one:.1f} ms",
            f"one batch of {config.max_batch} on one thread": f"{full:.1f} ms",
            "p99 / batch of 1": f"{p99 / one:.1f}",
            f"p99 / batch of {config.max_batch}": f"{p99 / full:.2f} (wanted: below 5)",
        },
    )
