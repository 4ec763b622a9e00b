"""SIGTERM in the middle of work: what is in hand is finished or handed on, and not done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import pytest

from ingest.stream import GROUP, FrameStream

if TYPE_CHECKING:
    from redis import Redis

    from tests.e2e.conftest import Plant

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture
def image() -> bytes:
    return cv2.imencode(".png", np.full((24, 24), 25, np.uint8))[1].tobytes()


def in_hand(plant: Plant) -> dict[str, int]:
    """Entries that were delivered and not acknowledged: by consumer, how many."""
    stream = FrameStream(plant.redis, "line-4")
    if not plant.redis.xinfo_groups(stream.frames_key):
        return {}
    found = cast("Any", plant.redis.xpending(stream.frames_key, GROUP))
    return {one["name"].decode(): one["pending"] for one in found["consumers"]}


def test_a_worker_finishes_its_batch_and_leaves_the_rest_untouched(
    plant: Plant, image: bytes
) -> None:
    for _ in range(150):
        plant.push(image)
    worker = plant.start_worker(seconds=0.02)  # 160 ms a batch
    plant.wait_until(lambda: len(plant.verdicts()) >= 8)

    asked_at = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    code = worker.wait(20)
    took_s = time.monotonic() - asked_at

    done = len(plant.verdicts())
    assert code == 0
    assert took_s < 20
    assert 8 <= done < 150
    assert in_hand(plant) == {}
    plant.start_scheduler()
    plant.start_worker()
    plant.wait_for_all_verdicts()
    assert sorted(plant.verdicts()) == sorted(plant.sent)
    assert "taken_over" not in (plant.home / "processes.log").read_text()


def test_a_worker_told_twice_hands_its_batch_on_at_once(plant: Plant, image: bytes) -> None:
    for _ in range(8):
        plant.push(image)
    worker = plant.start_worker(seconds=5.0)  # 40 s a batch
    plant.wait_until(lambda: sum(in_hand(plant).values()) == 8)

    worker.send_signal(signal.SIGTERM)
    time.sleep(1.2)  # what comes sooner is taken for the same wish
    assert worker.poll() is None
    worker.send_signal(signal.SIGTERM)
    code = worker.wait(10)

    assert code == 0
    assert plant.verdicts() == []
    assert in_hand(plant) == {"given-back": 8}
    plant.start_scheduler()
    plant.start_worker()
    plant.wait_for_all_verdicts(timeout_s=20)
    assert sorted(plant.verdicts()) == sorted(plant.sent)


CAMERA = """
stream_max_frames = 20
[[cameras]]
line = "line-4"
name = "top"
source = "{folder}"
watch = true
settle_s = 0
policy = "block"
block_timeout_s = 60
"""


def test_ingest_leaves_the_picture_in_hand_where_the_next_start_finds_it(
    tmp_path: Path, redis_url: str, redis_client: Redis, image: bytes
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(50):
        (folder / f"{number:03}.png").write_bytes(image)
    (tmp_path / "linewatch.toml").write_text(CAMERA.format(folder=folder))
    stream = FrameStream(redis_client, "line-4")
    ingest = subprocess.Popen(
        [sys.executable, "-m", "linewatch", "ingest", "--home", tmp_path, "--redis-url", redis_url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        deadline = time.monotonic() + 30
        while stream.status().waiting < 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)  # it now waits for room, with a picture in hand

        ingest.send_signal(signal.SIGTERM)
        code = ingest.wait(10)
    finally:
        ingest.kill()

    status = stream.status()
    sent = len(list((folder / "done").iterdir()))
    assert code == 0
    assert (status.waiting, status.cameras["top"].uninspected) == (20, 0)
    assert sent == 20
    assert len(list(folder.glob("*.png"))) == 30
