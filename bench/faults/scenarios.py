"""The faults, one function each: cameras are running when it is called, and go on meanwhile."""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
from sqlalchemy.orm import Session

from bench.faults.camera import CameraSpec
from bench.system import LINE
from db.access import trusted
from db.lines import get_line
from db.model_versions import activate, add_model_version
from ingest.stream import FullPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.faults.place import Place

    Scenario = Callable[[Place], None]

#: How often what is left to chance is done.
TIMES = 20
#: A worker that ends itself somewhere gets there so often before, at most.
CALLS = 120
#: How often everything fails at once.
CUTS = 8
#: How long something is away, where the issue is that it is.
AWAY_S = 10.0


# Workers


def workers_killed(place: Place) -> None:
    """SIGKILL at random times."""
    while place.counts.get("kills", 0) < TIMES and not _cameras_are_through(place):
        place.sleep(random.uniform(0.1, 2.0))
        if alive := place.workers():
            random.choice(alive).kill()
            _count(place, "kills")
    place.fault_is_over()


def _ending(phase: str) -> Scenario:
    def scenario(place: Place) -> None:
        place.end_workers()
        place.start_workers(3, phase, after_at_most=CALLS)
        known: set[int] = set()
        while len(known) < TIMES + 3 and not _cameras_are_through(place):
            known |= {worker.pid for worker in place.workers()}
            place.sleep(0.1)
        place.end_workers()
        place.counts["deaths"] = max(len(known) - 3, 0)
        place.start_workers(2)
        place.fault_is_over()

    scenario.__doc__ = f"Every worker ends itself some time: {phase.replace('_', ' ')}."
    return scenario


def worker_stopped(place: Place) -> None:
    """A process that is stopped in the middle of its work, again and again."""
    for _ in range(3):
        place.sleep(1.0)
        for worker in place.workers()[:1]:
            worker.suspend()
            _count(place, "stopped")
            until = time.monotonic() + 30
            while worker.is_running() and time.monotonic() < until:
                place.sleep(0.2)
                if time.monotonic() > until - 15:  # it was at rest: nobody misses it
                    with suppress(psutil.Error):
                        worker.resume()
                    break
    place.fault_is_over()


# Ingest


def ingest_killed(place: Place) -> None:
    """SIGKILL a camera host, start it again."""
    for _ in range(TIMES):
        name = random.choice([*place.cameras])
        place.sleep(random.uniform(0.2, 1.5))
        if place.cameras[name].poll() is not None:
            continue
        place.cameras[name].kill()
        place.cameras[name].wait()
        _count(place, "kills")
        place.start_camera(place.specs[name])
    place.fault_is_over()


def camera_floods(place: Place) -> None:
    """A free-running camera that sends ten times what it should."""
    frames = place.specs["live"].frames * 3
    place.start_camera(CameraSpec("flood", FullPolicy.DROP_OLDEST, 1500.0, frames))
    while place.cameras["flood"].poll() is None:
        place.sleep(0.2)
    place.fault_is_over()


def camera_freezes_and_changes(place: Place) -> None:
    """One picture for ever, and another size every time."""
    for kind in ("frozen", "changing"):
        place.start_camera(CameraSpec(kind, FullPolicy.BLOCK, 60.0, 1_000, kind))
    place.sleep(5.0)
    place.fault_is_over()


# Redis


def redis_killed(place: Place) -> None:
    """SIGKILL the server, start it again."""
    for _ in range(TIMES):
        place.sleep(random.uniform(0.5, 1.5))
        place.kill_redis()
        _count(place, "kills")
        place.sleep(random.uniform(0.1, 1.0))
        place.start_redis()
    place.fault_is_over()


def redis_set_back(place: Place) -> None:
    """Its machine dies: it comes back without what it wrote in the last second."""
    folder = place.home / "valkey" / "appendonlydir"
    for _ in range(TIMES // 2):
        # Long enough to score what comes twice: of a full stream, copies are dropped and counted.
        place.sleep(random.uniform(2.0, 3.0))
        newest = max(folder.glob("*.incr.aof"), key=lambda file: file.stat().st_mtime)
        size = newest.stat().st_size
        place.sleep(1.0)
        place.kill_redis()
        if newest.exists():  # or it was written anew meanwhile
            os.truncate(newest, size)
            _count(place, "seconds lost")
        place.start_redis()
    place.fault_is_over()


def redis_disk_full(place: Place) -> None:
    """It cannot write down what it takes, and takes nothing."""
    place.sleep(2.0)
    filler = _fill(place.home / "valkey")
    place.sleep(AWAY_S)
    filler.unlink()
    place.fault_is_over()


def redis_read_only(place: Place) -> None:
    """It answers, and takes nothing."""
    _setting_for_a_while(place, "min-replicas-to-write", "1", "0")


def redis_full(place: Place) -> None:
    """It has no memory left."""
    _setting_for_a_while(place, "maxmemory", "1", str(512 * 1024 * 1024))


def _setting_for_a_while(place: Place, name: str, bad: str, good: str) -> None:
    for _ in range(2):
        place.sleep(2.0)
        place.redis().config_set(name, bad)
        place.sleep(AWAY_S)
        place.redis().config_set(name, good)
    place.fault_is_over()


def network_cut(place: Place) -> None:
    """A camera host in a network of its own, whose cable is pulled."""
    with _own_network() as (inside, cut):
        url = _reachable(place)
        for policy in FullPolicy:
            place.start_camera(CameraSpec(f"far-{policy}", policy, 60.0, 2_000), url, *inside)
        for _ in range(2):
            place.sleep(3.0)
            cut("down")
            place.sleep(AWAY_S)
            cut("up")
        place.fault_is_over()
        for name in ("far-block", "far-drop_oldest"):
            while place.cameras[name].poll() is None:
                place.sleep(0.2)


def scoring_host_cut(place: Place) -> None:
    """The scoring host in a network of its own: neither Redis nor database, and nothing says so."""
    assert place.postgres is not None
    with _own_network() as (inside, cut):
        place.end_workers()
        place.prefix, place.hang_limit_s = inside, 60.0  # as delivered
        database = place.postgres.reachable_from(f"{_SUBNET}.0/24").replace("127.0.0.1", NEAR)
        place.start_workers(2, redis_url=_reachable(place), database_url=database)
        place.sleep(8.0)
        cut("down")
        place.sleep(3 * AWAY_S)
        cut("up")
        place.fault_is_over()
        while not _cameras_are_through(place):
            place.sleep(0.2)
        place.finish()
        place.end_workers()


#: Two runs at once have each their own.
_SUBNET = f"10.93.{os.getpid() % 250}"
NEAR, FAR = f"{_SUBNET}.1", f"{_SUBNET}.2"


def _reachable(place: Place) -> str:
    """Let Redis listen on the near end, too."""
    redis = place.redis()
    redis.config_set("protected-mode", "no")
    redis.config_set("bind", NEAR)
    redis.config_set("port", "6399")
    return f"redis://{NEAR}:6399/0"


@contextmanager
def _own_network() -> Iterator[tuple[tuple[str, ...], Callable[[str], None]]]:
    """A network beside this machine's: what runs a command in it, and what pulls its cable."""
    name = f"lw{os.getpid()}"
    commands = [
        f"ip netns add {name}",
        f"ip link add {name}n type veth peer name {name}f",
        f"ip link set {name}f netns {name}",
        f"ip addr add {NEAR}/24 dev {name}n",
        f"ip link set {name}n up",
        f"ip -n {name} addr add {FAR}/24 dev {name}f",
        f"ip -n {name} link set {name}f up",
    ]
    try:
        for command in commands:
            _run(command)
        # From within: this end keeps its address, and packets are lost without a word.
        yield (
            ("ip", "netns", "exec", name),
            lambda state: _run(f"ip -n {name} link set {name}f {state}"),
        )
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True)


# Database


def database_stopped(place: Place) -> None:
    """Away for longer than a drain is patient."""
    assert place.postgres is not None
    place.sleep(2.0)
    place.postgres.kill()
    place.sleep(3 * AWAY_S)
    place.postgres.start()
    place.fault_is_over()


def database_restarted(place: Place) -> None:
    """Ended at once, in the middle of transactions."""
    assert place.postgres is not None
    for _ in range(TIMES):
        place.sleep(random.uniform(0.5, 1.5))
        place.postgres.kill()
        place.postgres.start()
        _count(place, "restarts")
    place.fault_is_over()


def database_slow(place: Place) -> None:
    """Every insert waits for somebody's lock."""
    assert place.postgres is not None
    for _ in range(3):
        place.sleep(1.5)
        with psycopg.connect(place.postgres.url) as other:
            other.execute("LOCK TABLE inspections IN EXCLUSIVE MODE")
            place.sleep(AWAY_S / 2)
    place.fault_is_over()


def database_connections_used_up(place: Place) -> None:
    """No connection is left, and those there were are cut."""
    assert place.postgres is not None
    place.sleep(1.0)
    taken = []
    with psycopg.connect(place.postgres.url, autocommit=True) as first:
        first.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        with suppress(psycopg.OperationalError):
            while True:
                taken.append(psycopg.connect(place.postgres.url, autocommit=True))
        place.counts["taken"] = len(taken)
        place.sleep(AWAY_S)
    for connection in taken:
        connection.close()
    place.fault_is_over()


def disk_full_for_sqlite(place: Place) -> None:
    """Nothing more fits beside the database."""
    place.sleep(2.0)
    filler = _fill(place.home / "data")
    place.sleep(AWAY_S)
    filler.unlink()
    place.fault_is_over()


# Image store


def store_full(place: Place) -> None:
    """No picture fits any more."""
    place.sleep(1.0)
    filler = _fill(Path(place.system.store_url))
    place.sleep(AWAY_S)
    filler.unlink()
    place.fault_is_over()


def store_read_only(place: Place) -> None:
    """It can only be read."""
    place.sleep(1.0)
    subprocess.run(["mount", "-o", "remount,ro", place.system.store_url], check=True)
    place.sleep(AWAY_S)
    subprocess.run(["mount", "-o", "remount,rw", place.system.store_url], check=True)
    place.fault_is_over()


def store_gone(place: Place) -> None:
    """Its folder is not there."""
    place.sleep(1.0)
    folder = Path(place.system.store_url)
    folder.rename(folder.with_name("elsewhere"))
    place.sleep(AWAY_S)
    with suppress(OSError):
        folder.rmdir()
    folder.with_name("elsewhere").rename(folder)
    place.fault_is_over()


# Everything else


def clock_jumps_back(place: Place) -> None:
    """An hour, for every process; a worker dies just before, with frames in hand."""
    place.sleep(4.0)
    for worker in place.workers():
        worker.suspend()
    place.sleep(0.5)
    for worker in place.workers():
        worker.kill()
    with (place.home / "clock").open("r+b") as file:  # in the memory of them all
        file.write(struct.pack("q", -3600))
    place.fault_is_over()
    place.sleep(AWAY_S)


def two_schedulers(place: Place) -> None:
    """Somebody starts the scheduler once more."""
    place.start_scheduler()
    place.sleep(AWAY_S)
    place.fault_is_over()


def promotions(place: Place) -> None:
    """Another version is activated, and the one before again, all the time."""
    with Session(place.system.engine) as session, session.begin():
        line = get_line(session, LINE)
        manifest = {
            "detector": "null",
            "backbone": "none",
            "thresholds": {"review": 1e6, "reject": 2e6},
        }
        add_model_version(
            session,
            line,
            artifact_path="/nowhere/else",
            manifest=manifest,
            manifest_sha256="1" * 64,
            actor=trusted("bench"),
        )
    for turn in range(2 * TIMES):
        with Session(place.system.engine) as session, session.begin():
            activate(session, get_line(session, LINE), 2 - turn % 2, actor=trusted("bench"))
        _count(place, "activations")
        place.sleep(0.4)
    place.fault_is_over()


def power_cut(place: Place) -> None:
    """Everything is killed at once, and starts again."""
    for _ in range(CUTS):
        place.sleep(3.0)
        running = [name for name, camera in place.cameras.items() if camera.poll() is None]
        victims = [*place.cameras.values(), *place.others]
        for victim in victims:
            victim.kill()
        for worker in place.workers():
            with suppress(psutil.Error):
                worker.kill()
        place.kill_redis()
        if place.postgres is not None:
            place.postgres.kill()
        for victim in victims:
            victim.wait()
        place.others.clear()
        _count(place, "cuts")
        if place.postgres is not None:
            place.postgres.start()
        place.start_redis()
        place.start_scheduler()
        for name in running:
            place.start_camera(place.specs[name])
    place.fault_is_over()


def reviewer_killed(place: Place) -> None:
    """The process that takes people's words is killed in the middle of them."""
    from bench.faults.reviewer import kept_and_half, reviews_kept, start_reviewer

    told = 0
    for _ in range(TIMES):
        before = reviews_kept(place)
        reviewer = start_reviewer(place)
        while reviews_kept(place) < before + 5:
            place.sleep(0.05)
        place.sleep(random.uniform(0.0, 0.3))
        reviewer.send_signal(signal.SIGKILL)
        reviewer.wait()
        told += 1
    acknowledged, missing, half = kept_and_half(place)
    place.counts |= {"kills": told, "reviews": acknowledged}
    if missing or half:
        sys.exit(f"of {acknowledged} reviews {missing} are missing, and {half} are half there")
    place.fault_is_over()


def _fill(folder: Path) -> Path:
    """Take all that is left of a disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return filler


def _cameras_are_through(place: Place) -> bool:
    return all(camera.poll() is not None for camera in place.cameras.values())


def _count(place: Place, what: str) -> None:
    place.counts[what] = place.counts.get(what, 0) + 1


#: name -> (what is done, the database it is done on)
SCENARIOS: dict[str, tuple[Scenario, str]] = {
    "workers_killed": (workers_killed, "sqlite"),
    "killed_before_read": (_ending("before_read"), "sqlite"),
    "killed_while_scoring": (_ending("while_scoring"), "postgresql"),
    "killed_before_commit": (_ending("before_commit"), "sqlite"),
    "killed_before_acknowledge": (_ending("before_acknowledge"), "postgresql"),
    "worker_stopped": (worker_stopped, "sqlite"),
    "worker_hangs": (_ending("hang"), "sqlite"),
    "ingest_killed": (ingest_killed, "sqlite"),
    "redis_killed": (redis_killed, "sqlite"),
    "redis_set_back": (redis_set_back, "sqlite"),
    "redis_disk_full": (redis_disk_full, "sqlite"),
    "redis_read_only": (redis_read_only, "sqlite"),
    "redis_full": (redis_full, "postgresql"),
    "network_cut": (network_cut, "sqlite"),
    "scoring_host_cut": (scoring_host_cut, "postgresql"),
    "database_stopped": (database_stopped, "postgresql"),
    "database_restarted": (database_restarted, "postgresql"),
    "database_slow": (database_slow, "postgresql"),
    "database_connections_used_up": (database_connections_used_up, "postgresql"),
    "disk_full": (disk_full_for_sqlite, "sqlite"),
    "store_full": (store_full, "sqlite"),
    "store_read_only": (store_read_only, "postgresql"),
    "store_gone": (store_gone, "sqlite"),
    "clock_jumps_back": (clock_jumps_back, "sqlite"),
    "two_schedulers": (two_schedulers, "sqlite"),
    "promotions": (promotions, "postgresql"),
    "reviewer_killed": (reviewer_killed, "postgresql"),
    "camera_floods": (camera_floods, "sqlite"),
    "camera_freezes_and_changes": (camera_freezes_and_changes, "sqlite"),
    "power_cut": (power_cut, "sqlite"),
    "power_cut_postgresql": (power_cut, "postgresql"),
}
