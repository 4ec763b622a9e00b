"""Every good frame gets exactly one verdict and every bad one a reason, whatever is killed."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.postgres_server import PostgresServer
    from tests.e2e.conftest import Plant

pytestmark = pytest.mark.slow


@pytest.fixture
def image() -> bytes:
    return cv2.imencode(".png", np.full((24, 24), 25, np.uint8))[1].tobytes()


def assert_one_verdict_each(plant: Plant) -> None:
    verdicts = plant.verdicts()
    assert len(verdicts) == len(set(verdicts))
    assert set(verdicts) == set(plant.sent)
    assert plant.quarantined() == []


def test_workers_killed_again_and_again_in_the_middle_of_a_batch(
    plant: Plant, image: bytes
) -> None:
    plant.start_scheduler()
    workers = [plant.start_worker(), plant.start_worker()]
    killed = 0
    stop = threading.Event()

    def feed() -> None:
        while not stop.wait(0.004):
            plant.push(image)

    camera = threading.Thread(target=feed)
    camera.start()
    plant.wait_until(lambda: len(plant.verdicts()) > 20)
    chance = random.Random(0)
    try:
        for _ in range(12):
            time.sleep(chance.uniform(0.05, 0.6))
            victim = chance.randrange(2)
            workers[victim].kill()
            workers[victim].wait()
            killed += 1
            workers[victim] = plant.start_worker()
            seen = len(plant.verdicts())
            plant.wait_until(lambda seen=seen: len(plant.verdicts()) > seen)
    finally:
        stop.set()
        camera.join()

    plant.wait_for_all_verdicts()
    assert killed == 12
    assert len(plant.sent) > 500
    assert_one_verdict_each(plant)


def push_through(plant: Plant, image: bytes, seconds: float) -> threading.Thread:
    """A camera that keeps its frame in hand while Redis is away."""

    def feed() -> None:
        from ingest.doorbell import Doorbell
        from ingest.frame import Frame
        from ingest.stream import FrameStream, FullPolicy

        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            frame = Frame.capture("line-4", "top", len(plant.sent), image, "image/png")
            while True:
                try:
                    pushed = FrameStream(plant.redis, "line-4").push(frame, FullPolicy.BLOCK)
                    if pushed.accepted:
                        if pushed.ring:
                            Doorbell(plant.redis).call_worker("line-4")
                        break
                except RedisError:
                    time.sleep(0.05)
            plant.sent.append(frame.frame_id)
            time.sleep(0.01)

    thread = threading.Thread(target=feed)
    thread.start()
    return thread


def test_redis_killed_and_restarted(plant: Plant, image: bytes) -> None:
    plant.start_scheduler()
    for _ in range(2):
        plant.start_worker()
    camera = push_through(plant, image, seconds=12)
    plant.wait_until(lambda: len(plant.verdicts()) > 20)

    for _ in range(2):
        plant.kill_redis()
        time.sleep(1.0)
        plant.start_redis()
        seen = len(plant.verdicts())
        plant.wait_until(lambda seen=seen: len(plant.verdicts()) > seen + 20)

    camera.join()
    plant.wait_for_all_verdicts()
    assert len(plant.sent) > 200
    assert_one_verdict_each(plant)


def test_the_database_stopped_and_started_again(
    make_plant: Callable[[str], Plant], postgres: PostgresServer, image: bytes
) -> None:
    plant = make_plant(postgres.url)
    plant.start_scheduler()
    for _ in range(2):
        plant.start_worker()
    camera = push_through(plant, image, seconds=12)
    plant.wait_until(lambda: len(plant.verdicts()) > 20)

    postgres.control("stop", "-m", "immediate")
    time.sleep(5.0)  # longer than a drain's patience
    postgres.start()

    camera.join()
    plant.wait_for_all_verdicts()
    assert len(plant.sent) > 200
    assert_one_verdict_each(plant)


def encode(extension: str, image: np.ndarray) -> bytes:
    done, data = cv2.imencode(extension, image)
    assert done
    return data.tobytes()


def declared_huge() -> bytes:
    """A PNG whose header declares 50,000 x 50,000 pixels."""
    import struct
    import zlib

    head = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    chunks = [head, b"IDAT" + zlib.compress(b"\0" * 1000), b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks
    )


def cmyk_jpeg() -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("CMYK", (24, 24), (200, 10, 10, 10)).save(out, "JPEG")
    return out.getvalue()


def test_bad_images_end_in_quarantine_and_no_worker_dies_of_them(
    plant: Plant, image: bytes
) -> None:
    worker = plant.start_worker()
    noise = np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8)
    bad = {
        "truncated": encode(".png", noise)[:-200],
        "truncated jpeg": encode(".jpg", noise)[:-200],
        "empty": b"",
        "not an image": b"GIF89a is not what we take" * 10,
        "huge": declared_huge(),
    }
    good = {
        "16-bit": encode(".png", np.full((24, 24), 6425, np.uint16)),  # 25 of 255
        "another size": encode(".png", noise),
        "jpeg": encode(".jpg", noise),
        "cmyk": cmyk_jpeg(),
        "one pixel": encode(".png", np.full((1, 1), 25, np.uint8)),
    }
    sent: dict[str, str] = {}
    for name, data in [*bad.items(), *good.items()]:
        plant.push(image)
        sent[str(plant.push(data).frame_id)] = name
    plant.push(image)

    plant.wait_until(lambda: len(plant.verdicts()) + len(plant.quarantined()) >= len(plant.sent))

    reasons = {sent[q.frame_key]: q for q in plant.quarantined()}
    judged = {sent[str(i)] for i in plant.verdicts() if str(i) in sent}
    assert worker.poll() is None
    assert set(reasons) | judged == {*bad, *good}
    assert set(reasons) - {"cmyk"} == set(bad)
    assert all(q.detail for q in reasons.values())
    assert reasons["huge"].reason == "too_large"
    assert reasons["truncated"].reason == "truncated"
    assert len(plant.verdicts()) + len(plant.quarantined()) == len(plant.sent)
