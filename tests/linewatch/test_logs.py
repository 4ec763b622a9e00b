"""What every process writes: one event and its fields a line, and never a password."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rq import Queue
from rq.serializers import JSONSerializer

from ingest.doorbell import SCORE_QUEUE
from tests.dashboard.serving import free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from tests.linewatch.conftest import Outcome

ROOT = Path(__file__).parents[2]
#: Logging is the whole interpreter's: every program gets one of its own.
PROGRAM = """
import logging, threading, warnings
import structlog
from linewatch.logs import configure_logging
configure_logging({form!r}, "info", process="worker", secrets=("pa55-word",))
log = structlog.get_logger("ours")
{body}
"""


def lines_of(body: str, form: str = "json") -> list[str]:
    """What the program wrote."""
    program = PROGRAM.format(form=form, body=body)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.stdout == ""
    return done.stderr.splitlines()


def events_of(body: str) -> list[dict[str, Any]]:
    """Every line is JSON, or this fails."""
    return [json.loads(line) for line in lines_of(body)]


def test_a_line_has_its_event_fields_time_level_and_process() -> None:
    [event] = events_of('log.info("model.loaded", line="line-4", version=3)')

    assert event["event"] == "model.loaded"
    assert (event["line"], event["version"]) == ("line-4", 3)
    assert (event["level"], event["process"], event["logger"]) == ("info", "worker", "ours")
    assert event["timestamp"].endswith("Z")
    assert isinstance(event["pid"], int)


def test_what_is_bound_for_a_job_is_on_every_line_of_it() -> None:
    events = events_of("""
with structlog.contextvars.bound_contextvars(line="line-4"):
    log.info("one")
    logging.getLogger("some.library").warning("two")
""")

    assert [event["line"] for event in events] == ["line-4", "line-4"]


def test_libraries_warnings_and_what_nobody_expected_are_lines_like_all_others() -> None:
    events = events_of("""
logging.getLogger("rq.worker").error("job failed: %s", "x")
warnings.warn("old")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise RuntimeError("boom")
""")

    assert [event["event"] for event in events[::2]] == ["job failed: x", "uncaught"]
    assert "old" in events[1]["event"]
    assert "ZeroDivisionError" in events[2]["exception"]
    assert "RuntimeError: boom" in events[3]["exception"]
    assert {event["process"] for event in events} == {"worker"}


LEAKS = """
password = "pa55-word"
address = "redis://worker:other-pw@10.0.0.5:6379/0"
log.warning("lost", error=f"cannot reach {address}", options={"url": [address]}, given=password)
logging.getLogger("lib").warning("connection failed: host=db password=other-pw user=x")
try:
    raise ValueError(f"{address} said {password}")
except ValueError:
    log.exception("failed")
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_line_holds_a_password_not_even_in_a_traceback(form: str) -> None:
    written = "\n".join(lines_of(LEAKS, form))

    assert "10.0.0.5" in written
    assert "Traceback" in written
    assert "pa55-word" not in written.replace('password = "pa55-word"', "")
    assert "other-pw" not in written


def test_an_address_without_a_password_stays_as_it_is() -> None:
    [event] = events_of('log.info("served", address="http://127.0.0.1:9464/metrics", by="a@b")')

    assert event["address"] == "http://127.0.0.1:9464/metrics"
    assert event["by"] == "a@b"


def test_an_expected_error_is_a_line_like_all_others_where_machines_read(
    linewatch: Callable[..., Outcome], tmp_path: Path
) -> None:
    outcome = linewatch("ingest", "--home", tmp_path, "--log-format", "json")

    event = json.loads(outcome.err)
    assert outcome.code == 2
    assert event["event"] == "command.failed"
    assert "no camera is configured" in event["reason"]
    assert event["process"] == "ingest"


@pytest.mark.slow
def test_a_worker_writes_nothing_else_not_even_of_a_planted_job(
    tmp_path: Path, redis_url: str, redis_client: Redis
) -> None:
    command = [sys.executable, "-m", "linewatch"]
    where = ["--home", str(tmp_path), "--redis-url", redis_url, "--log-format", "json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, "db", "upgrade", *where], env=environment, check=True)
    queue = Queue(SCORE_QUEUE, connection=redis_client, serializer=JSONSerializer)
    job = queue.enqueue("os.system", "true")
    with subprocess.Popen(
        [*command, "worker", "--processes", "1", *where],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as worker:  # fmt: skip
        deadline = time.monotonic() + 60
        while job.get_status() != "failed" and time.monotonic() < deadline:
            time.sleep(0.1)
        worker.terminate()
        said, _ = worker.communicate(timeout=30)

    events = [json.loads(line) for line in said.splitlines()]
    assert worker.returncode == 0
    assert events[0]["event"] == "worker.started"
    assert {event["process"] for event in events} == {"worker"}
    assert any("JobNotAllowedError" in str(event) for event in events)
    assert all(event["logger"] and event["level"] and event["timestamp"] for event in events)


@pytest.mark.slow
def test_the_dashboard_and_its_server_write_nothing_else(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "linewatch"]
    where = ["--home", str(tmp_path), "--log-format", "json", "--log-level", "info"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, "db", "upgrade", *where], env=environment, check=True)
    with subprocess.Popen(
        [*command, "dashboard", *where, "--port", str(port)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as server:  # fmt: skip
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
        server.terminate()
        said, _ = server.communicate(timeout=20)

    events = [json.loads(line) for line in said.splitlines()]
    assert [event["event"] for event in events] == ["dashboard.served"]
    assert events[0]["process"] == "dashboard"
