"""Metrics of a plant: what a real drain leaves, scraped over HTTP."""

from __future__ import annotations

import socket
import time
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from rq import cron_scheduler_registry
from sqlalchemy import create_engine
from structlog.testing import capture_logs

from db.tables import RetrainingState, Verdict
from ingest.connection import connect
from ingest.doorbell import SCORE_QUEUE
from ingest.frame import Frame
from ingest.stream import FrameStream, FullPolicy, StreamLimits
from workers import plant_part
from workers.drain import Drain
from workers.exporter import PlantCollector, serve
from workers.plant_part import PlantPart
from workers.rq_worker import ScoringWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric

    from workers.context import WorkerContext


@pytest.fixture
def scrape(
    context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], dict[tuple[str, ...], float]]]:
    """Every sample of an exporter that runs, by name and its labels' values, sorted."""
    monkeypatch.setattr(plant_part, "FRESH_S", 0.0)
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    end = serve(context.redis, context.engine, "127.0.0.1", port)

    def read() -> dict[tuple[str, ...], float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return {
                (sample.name, *sorted(sample.labels.values())): sample.value
                for family in families
                for sample in family.samples
            }

    yield read
    end()


def test_what_became_of_frames_is_counted(
    context: WorkerContext,
    activate_version: Callable[..., int],
    make_frame: Callable[..., Frame],
    scrape: Callable[[], dict[tuple[str, ...], float]],
) -> None:
    activate_version(review=0.5, reject=0.8)
    stream = FrameStream(context.redis, "line-4", StreamLimits(max_frames=6))
    for brightness in (0.1, 0.2, 0.6, 0.9, 0.1):
        stream.push(make_frame(brightness), FullPolicy.BLOCK)
    stream.push(Frame.capture("line-4", "top", 9, b"no picture", "image/png"), FullPolicy.BLOCK)
    before = scrape()

    Drain(context, "line-4").run()

    after = scrape()
    assert before["linewatch_stream_waiting_frames", "line-4"] == 6
    assert before["linewatch_stream_oldest_frame_age_seconds", "line-4"] > 0
    assert after["linewatch_stream_waiting_frames", "line-4"] == 0
    assert after["linewatch_stream_oldest_frame_age_seconds", "line-4"] == 0
    pushed = [n for name, n in after.items() if name[0] == "linewatch_camera_frames_total"]
    assert sum(pushed) == 6
    verdicts = [
        after["linewatch_verdicts_total", v, "line-4"] for v in ("PASS", "REVIEW", "REJECT")
    ]
    assert verdicts == [3, 1, 1]
    [quarantined] = [n for name, n in after.items() if "linewatch_quarantined" in name[0]]
    assert quarantined == 1
    assert after["linewatch_capture_to_verdict_seconds_count", "line-4"] == 5
    assert after["linewatch_capture_to_verdict_seconds_bucket", "+Inf", "line-4"] == 5
    assert after["linewatch_batch_frames_sum", "line-4"] == 5
    assert after["linewatch_scoring_seconds_total", "line-4"] > 0
    assert after["linewatch_active_model_info", "1", "brightness", "line-4"] == 1
    assert after["linewatch_up", "redis"] == after["linewatch_up", "database"] == 1


def test_what_is_away_is_said_and_the_rest_still_told(context: WorkerContext) -> None:
    nowhere = Redis(port=1, socket_connect_timeout=0.2, retry=None)
    away = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")

    for redis, engine, wanted in (
        (nowhere, context.engine, {"redis": 0, "database": 1}),
        (context.redis, away, {"redis": 1, "database": 0}),
    ):
        found = {
            sample.labels["part"]: sample.value
            for family in PlantCollector(redis, engine).collect()
            for sample in family.samples
            if sample.name == "linewatch_up"
        }
        assert found == wanted


def test_a_server_that_does_not_answer_holds_no_scrape_up(context: WorkerContext) -> None:
    with closing(socket.socket()) as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()  # takes connections, and says nothing
        silent = connect(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0", timeout_s=3.0)
        collector = PlantCollector(silent, context.engine)
        for _ in range(2):
            began = time.monotonic()
            names = {family.name: family for family in collector.collect()}
            assert time.monotonic() - began < 1.0
            up = {s.labels["part"]: s.value for s in names["linewatch_up"].samples}
            assert up == {"redis": 0, "database": 1}
            assert "linewatch_retrainings" in names


def test_many_who_ask_at_once_are_one_load() -> None:
    reads = []

    def read() -> list[Metric]:
        reads.append(1)
        time.sleep(0.05)
        return []

    part = PlantPart("redis", read)
    for _ in range(5):
        part.begin()
        assert part.metrics(time.monotonic() + 5) == []

    assert len(reads) == 1


def test_an_outage_is_logged_at_its_begin_and_its_end_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plant_part, "FRESH_S", 0.0)
    answers: Iterator[list[Metric] | None] = iter([[], None, None, [], []])

    def read() -> list[Metric]:
        answer = next(answers)
        if answer is None:
            raise ConnectionError("nobody listens")
        return answer

    part = PlantPart("redis", read)
    with capture_logs() as logs:
        for _ in range(5):
            part.begin()
            part.metrics(time.monotonic() + 5)

    assert [one["event"] for one in logs] == ["metrics.not_read", "metrics.read_again"]
    assert logs[0]["error"] == "ConnectionError: nobody listens"


def test_nonsense_in_redis_is_said_and_hides_nothing_else(context: WorkerContext) -> None:
    stream = FrameStream(context.redis, "line-4")
    stream.push(Frame.capture("line-4", "top", 0, b"x", "image/png"), FullPolicy.BLOCK)
    context.redis.hset(stream.tallies_key, "verdict:PASS", "many")

    collector = PlantCollector(context.redis, context.engine)
    found = {family.name: family for family in collector.collect()}

    assert {s.value for s in found["linewatch_up"].samples} == {0, 1}


def test_counters_are_there_before_the_first_event(
    context: WorkerContext,
    activate_version: Callable[..., int],
    scrape: Callable[[], dict[tuple[str, ...], float]],
) -> None:
    activate_version()
    stream = FrameStream(context.redis, "line-4")
    stream.push(Frame.capture("line-4", "top", 0, b"x", "image/png"), FullPolicy.BLOCK)

    found = scrape()

    for verdict in Verdict:
        assert found["linewatch_verdicts_total", *sorted(["line-4", str(verdict)])] == 0
    for state in RetrainingState:
        assert found["linewatch_retrainings", *sorted(["line-4", str(state)])] == 0
    assert found["linewatch_camera_dropped_frames_total", "line-4", "top"] == 0


def test_a_reader_may_do_no_more_than_read(
    context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where workers were killed: RQ would take them off its list."""
    monkeypatch.setattr(plant_part, "FRESH_S", 0.0)
    alive = ScoringWorker(SCORE_QUEUE, context.redis, "alive")
    alive.register_birth()
    context.redis.sadd("rq:workers", "rq:worker:killed")
    stream = FrameStream(context.redis, "line-4")
    stream.push(Frame.capture("line-4", "top", 0, b"x", "image/png"), FullPolicy.BLOCK)
    context.redis.execute_command(
        "ACL", "SETUSER", "reader", "reset", "on", "nopass", "%R~linewatch:*", "%R~rq:*",
        "+@read", "+@connection", "+time", "+info",
    )  # fmt: skip
    address = context.redis.connection_pool.connection_kwargs["path"]
    reader = Redis(unix_socket_path=address, username="reader", password="any")
    try:
        found = {
            (sample.name, *sample.labels.values()): sample.value
            for family in PlantCollector(reader, context.engine).collect()
            for sample in family.samples
        }
    finally:
        reader.close()
        context.redis.execute_command("ACL", "DELUSER", "reader")

    assert found["linewatch_up", "redis"] == 1
    assert found["linewatch_workers", "score"] == 1
    assert found["linewatch_stream_waiting_frames", "line-4"] == 1


def test_schedulers_that_gave_a_sign_lately_are_counted(
    context: WorkerContext, scrape: Callable[[], dict[tuple[str, ...], float]]
) -> None:
    at = time.time()
    signs = {"running": at, "killed": at - 600}
    context.redis.zadd(cron_scheduler_registry.get_registry_key(), signs)

    assert scrape()["linewatch_schedulers",] == 1
