"""What listens where: nothing beyond this machine unless told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest

from linewatch import embedded
from tests.dashboard.serving import free_port

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
LISTEN = ("dashboard", "metrics")
#: Talk to Redis and the database only.
SILENT = ("worker", "trainer", "scheduler", "ingest")


def sockets(process: subprocess.Popen[bytes]) -> list[str]:
    """Addresses on which a process or its children listen."""
    found = []
    for one in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
        found += [c for c in one.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    return [connection.laddr.ip for connection in found]


def test_all_that_listens_does_so_on_loopback(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "linewatch.toml").write_text(
        f'[[cameras]]\nline="a"\nname="b"\nsource="{tmp_path}/pictures"\nwatch=true\n'
    )
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("LINEWATCH_")},
        "PYTHONPATH": str(ROOT), "LINEWATCH_HOME": str(tmp_path), "LINEWATCH_LOGIN": "open",
    }  # fmt: skip
    command = [sys.executable, "-m", "linewatch"]
    subprocess.run([*command, "db", "upgrade"], env=environment, check=True, capture_output=True)
    subprocess.run([*command, "server", "start"], env=environment, check=True, capture_output=True)
    started = {}
    try:
        for name in (*LISTEN, *SILENT):
            port = ["--port", str(free_port())] if name in LISTEN else []
            started[name] = subprocess.Popen(
                [*command, name, *port], env=environment,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while not all(sockets(started[name]) for name in LISTEN):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(2.0)
        found = {name: sockets(process) for name, process in started.items()}
        server = embedded.embedded_server(tmp_path).process()
        assert server is not None
        assert server.net_connections("inet") == []
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            process.wait(30)
        embedded.stop(tmp_path)
    assert all(ip_address(ip).is_loopback for ips in found.values() for ip in ips), found
    assert {name for name, ips in found.items() if ips} == set(LISTEN)
