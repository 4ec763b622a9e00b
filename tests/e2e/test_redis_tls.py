"""A plant whose Redis takes only certificates and users of its own, from camera to database."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import trustme
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from db import teachings
from db.access import trusted
from db.lines import get_line
from db.tables import Inspection
from linewatch.redis_users import acl_file, cameras, worker
from tests.dashboard.serving import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PICTURES = 5


@dataclass
class Place:
    """A home, and a Redis that takes TLS only."""

    folder: Path
    port: int

    def environment(self, user: str, ca: str = "ca.pem") -> dict[str, str]:
        files = {
            "ssl_ca_certs": self.folder / ca,
            "ssl_certfile": self.folder / "client.pem",
            "ssl_keyfile": self.folder / "client.key",
        }
        query = "&".join(f"{name}={file}" for name, file in files.items())
        return {
            "LINEWATCH_HOME": str(self.folder / "home"),
            "LINEWATCH_REDIS_URL": f"rediss://{user}@localhost:{self.port}/0?{query}",
            "LINEWATCH_REDIS_PASSWORD_FILE": str(self.folder / f"secrets/redis_{user}_password"),
        }

    def start(self, *words: str, user: str, ca: str = "ca.pem") -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "linewatch", *words],
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment(user, ca)},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server that speaks TLS")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other-ca.pem"))
    for name, certificate in (
        ("server", ca.issue_cert("localhost")),
        ("client", ca.issue_cert("linewatch@plant")),
    ):
        certificate.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
        certificate.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
    users = [worker(), cameras("gate", ["line-4"])]
    (tmp_path / "users.acl").write_text(acl_file(users, tmp_path / "secrets"))
    port = free_port()
    server = subprocess.Popen(
        [program, "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1",
         "--tls-cert-file", tmp_path / "server.pem", "--tls-key-file", tmp_path / "server.key",
         "--tls-ca-cert-file", tmp_path / "ca.pem", "--aclfile", tmp_path / "users.acl",
         "--save", "", "--dir", tmp_path],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 10
    while True:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield Place(tmp_path, port)
    server.terminate()
    server.wait()


def test_frames_come_from_a_camera_host_with_its_own_rights_to_a_worker(place: Place) -> None:
    home = place.folder / "home"
    pictures = place.folder / "pictures"
    home.mkdir()
    pictures.mkdir()
    for number in range(PICTURES):
        cv2.imwrite(str(pictures / f"{number}.png"), np.full((64, 64), number, np.uint8))
    (home / "linewatch.toml").write_text(
        f'[[cameras]]\nline = "line-4"\nname = "c1"\nsource = "{pictures}"\n'
    )
    for words in (("db", "upgrade"), ("line", "add", "line-4")):
        assert place.start(*words, user="worker").communicate()[1] == ""
    engine = create_engine(f"sqlite:///{home}/linewatch.db")
    with Session(engine) as session, session.begin():
        # A line that is being taught takes frames without a model.
        teachings.start_teaching(
            session, get_line(session, "line-4"), frames=teachings.MIN_FRAMES,
            detector="patchcore", actor=trusted("test"),
        )  # fmt: skip

    workers = place.start("worker", "--processes", "1", user="worker")
    try:
        camera = place.start("ingest", user="camera-gate")
        _, said = camera.communicate(timeout=60)
        assert camera.returncode == 0, said
        deadline = time.monotonic() + 60
        while True:
            with Session(engine) as session:
                found = session.scalar(select(func.count()).select_from(Inspection))
            if found == PICTURES:
                break
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        engine.dispose()
    finally:
        workers.send_signal(signal.SIGTERM)
        _, said = workers.communicate(timeout=60)
    assert workers.returncode == 0
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("user", "ca", "reason"),
    [
        ("worker", "other-ca.pem", "certificate"),
        ("worker", "absent.pem", "absent.pem"),
        ("nobody", "ca.pem", "password"),
    ],
)
def test_who_may_not_come_in_is_told_why_in_one_line(
    place: Place, user: str, ca: str, reason: str
) -> None:
    (place.folder / "secrets/redis_nobody_password").write_text("wrong")
    place.start("db", "upgrade", user="worker").communicate()

    process = place.start("worker", user=user, ca=ca)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 2
    assert reason in said
    assert len(said.strip().splitlines()) == 1
