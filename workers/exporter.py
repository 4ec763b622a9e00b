"""Prometheus metrics of a whole plant, read when they are asked for.

Frames, verdicts, batches and latencies are counted in Redis (`workers.tallies`), so one exporter
answers for every process of a plant. Redis or the database being away is itself a metric; each is
read in bounded time and once a second at most (`workers.plant_part`).

Series that count from zero are there before the first event, or a rate would miss it. Reads keys
`linewatch:*` and `rq:*`, and writes none.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from rq import Queue, Worker, cron_scheduler_registry
from rq.serializers import JSONSerializer
from rq.utils import utcparse
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.tables import Line, ModelVersion, Retraining, RetrainingState, Verdict
from ingest.doorbell import SCORE_QUEUE
from ingest.stream import FrameStream, known_lines
from workers.plant_part import PATIENCE_S, PlantPart
from workers.retraining.scheduling import RETRAIN_QUEUE
from workers.tallies import BATCH_BUCKETS, BEYOND, LATENCY_BUCKETS_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client import Metric
    from redis import Redis
    from sqlalchemy import Engine

log = structlog.get_logger()

QUEUES = (SCORE_QUEUE, RETRAIN_QUEUE)
#: A worker that gave no sign for so long counts as gone: RQ's heartbeats come every few seconds.
GONE_AFTER_S = 120.0
#: Lines, and cameras of a line, that are told of at most: whoever may push can name some.
MOST = 1_000


class PlantCollector:
    """Everything that is worth a graph or an alarm."""

    def __init__(self, redis: Redis, engine: Engine) -> None:
        self._redis = redis
        self._engine = engine
        self._parts = (
            PlantPart("redis", self._of_redis),
            PlantPart("database", self._of_database),
        )

    def collect(self) -> Iterator[Metric]:
        """Read both servers; what cannot be read is left out, and said in `linewatch_up`."""
        up = GaugeMetricFamily(
            "linewatch_up", "1 if this part of the plant could be read", labels=["part"]
        )
        deadline = time.monotonic() + PATIENCE_S
        for part in self._parts:
            part.begin()
        for part in self._parts:
            metrics = part.metrics(deadline)
            up.add_metric([part.name], metrics is not None)
            yield from metrics or ()
        yield up

    def _of_redis(self) -> Iterator[Metric]:
        lines = known_lines(self._redis)[:MOST]
        streams = {name: FrameStream(self._redis, name) for name in lines}
        yield from _of_streams(streams)
        tallies = {name: stream.tallies() for name, stream in streams.items()}
        yield from _of_tallies(tallies)
        yield self._workers()
        yield self._schedulers()
        yield self._queues()

    def _workers(self) -> Metric:
        family = GaugeMetricFamily(
            "linewatch_workers", "Workers that gave a sign of life lately", labels=["queue"]
        )
        counts = dict.fromkeys(QUEUES, 0)
        # RQ's own way to list them removes those that are gone, which a user who may only read
        # cannot, and takes several calls for each.
        reading = self._redis.pipeline(transaction=False)
        for key in cast("set[bytes]", self._redis.smembers(Worker.redis_workers_keys)):
            reading.hmget(key.decode(), "last_heartbeat", "queues")
        for seen, queues in reading.execute():
            if not seen or not queues:
                continue
            age_s = (
                datetime.now(UTC) - utcparse(seen.decode()).replace(tzinfo=UTC)
            ).total_seconds()
            for name in queues.decode().split(",") if age_s <= GONE_AFTER_S else ():
                if name in counts:
                    counts[name] += 1
        for name, count in counts.items():
            family.add_metric([name], count)
        return family

    def _schedulers(self) -> Metric:
        since = time.time() - GONE_AFTER_S
        count = self._redis.zcount(cron_scheduler_registry.get_registry_key(), since, "+inf")
        family = GaugeMetricFamily(
            "linewatch_schedulers", "Schedulers that gave a sign of life lately"
        )
        family.add_metric([], count)
        return family

    def _queues(self) -> Metric:
        family = GaugeMetricFamily("linewatch_jobs", "Jobs", labels=["queue", "state"])
        for name in QUEUES:
            queue = Queue(name, connection=self._redis, serializer=JSONSerializer)
            family.add_metric([name, "waiting"], queue.count)
            family.add_metric(
                [name, "failed"], queue.failed_job_registry.get_job_count(cleanup=False)
            )
        return family

    def _of_database(self) -> Iterator[Metric]:
        with Session(self._engine) as session:
            yield _active_models(session)
            yield _retrainings(session)


def _of_streams(streams: dict[str, FrameStream]) -> Iterator[Metric]:
    gauges = {
        "waiting": _gauge("linewatch_stream_waiting_frames", "Frames that no worker has taken yet"),
        "pending": _gauge("linewatch_stream_pending_frames", "Frames that a worker has in hand"),
        "bytes": _gauge("linewatch_stream_bytes", "Bytes of the images in the stream"),
        "oldest": _gauge(
            "linewatch_stream_oldest_frame_age_seconds", "Time the oldest frame has waited"
        ),
    }
    counters = {
        "pushed": _counter("linewatch_camera_frames", "Frames that came into the stream", "camera"),
        "dropped": _counter(
            "linewatch_camera_dropped_frames", "Frames dropped by drop_oldest", "camera"
        ),
        "uninspected": _counter(
            "linewatch_camera_uninspected_frames",
            "Parts reported as not inspected by block",
            "camera",
        ),
    }
    for name, stream in streams.items():
        status = stream.status()
        gauges["waiting"].add_metric([name], status.waiting)
        gauges["pending"].add_metric([name], status.pending)
        gauges["bytes"].add_metric([name], status.held_bytes)
        gauges["oldest"].add_metric([name], stream.oldest_age_s())
        for camera, counts in islice(status.cameras.items(), MOST):
            for kind, family in counters.items():
                family.add_metric([name, camera], getattr(counts, kind))
    yield from gauges.values()
    yield from counters.values()


def _of_tallies(tallies: dict[str, dict[str, int]]) -> Iterator[Metric]:
    verdicts = _counter("linewatch_verdicts", "Verdicts committed", "verdict")
    quarantined = _counter("linewatch_quarantined_frames", "Frames put into quarantine", "reason")
    scoring = _counter("linewatch_scoring_seconds", "Time spent on decoding and scoring")
    latency = HistogramMetricFamily(
        "linewatch_capture_to_verdict_seconds",
        "Time from capture to committed verdict",
        labels=["line"],
    )
    batches = HistogramMetricFamily(
        "linewatch_batch_frames", "Frames scored in one go", labels=["line"]
    )
    for line, counted in tallies.items():
        found = dict.fromkeys([f"verdict:{verdict}" for verdict in Verdict], 0) | counted
        for name, count in found.items():
            kind, _, value = name.partition(":")
            if kind == "verdict":
                verdicts.add_metric([line, value], count)
            elif kind == "quarantined":
                quarantined.add_metric([line, value], count)
        scoring.add_metric([line], found.get("score_us", 0) / 1e6)
        latency.add_metric(
            [line],
            _buckets(found, "latency", LATENCY_BUCKETS_MS, unit=1e3),
            found.get("latency_ms", 0) / 1e3,
        )
        scored = sum(count for name, count in found.items() if _is_scored(name))
        batches.add_metric([line], _buckets(found, "batch", BATCH_BUCKETS, unit=1), scored)
    yield from (verdicts, quarantined, scoring, latency, batches)


def _is_scored(name: str) -> bool:
    return name.startswith("verdict:") and not name.endswith("UNINSPECTED")


def _buckets(
    found: dict[str, int], kind: str, ends: Sequence[int], *, unit: float
) -> list[tuple[str, float]]:
    """Cumulative counts, as Prometheus wants them."""
    total, buckets = 0, []
    for end in (*ends, BEYOND):
        total += found.get(f"{kind}:{end}", 0)
        name = "+Inf" if end == BEYOND else f"{cast('int', end) / unit:g}"
        buckets.append((name, float(total)))
    return buckets


def _active_models(session: Session) -> Metric:
    family = InfoMetricFamily("linewatch_active_model", "What scores a line", labels=["line"])
    query = select(Line.name, ModelVersion.number, ModelVersion.detector).join(
        ModelVersion, Line.active_model_version_id == ModelVersion.id
    )
    for name, number, detector in session.execute(query):
        family.add_metric([name], {"version": str(number), "detector": detector})
    return family


def _retrainings(session: Session) -> Metric:
    family = GaugeMetricFamily(
        "linewatch_retrainings", "Retrainings of a line, by state", labels=["line", "state"]
    )
    query = (
        select(Line.name, Retraining.state, func.count())
        .join(Line, Retraining.line_id == Line.id)
        .group_by(Line.name, Retraining.state)
    )
    counts = {(name, state): count for name, state, count in session.execute(query)}
    for name in session.scalars(select(Line.name)):
        for state in RetrainingState:
            family.add_metric([name, state], counts.get((name, state), 0))
    return family


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=["line"])


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, labels=["line", *labels])


def serve(redis: Redis, engine: Engine, host: str, port: int) -> Callable[[], None]:
    """Answer scrapes on `host` and `port`, in a thread of its own; returns what ends it.

    Raises:
        OSError: if nothing can listen there.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(cast("Any", PlantCollector(redis, engine)))
    server, thread = start_http_server(port, host, registry=registry)
    log.info("metrics.served", address=f"http://{host}:{port}/metrics")

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return end
