"""A PostgreSQL server of one's own, from the machine's programs: to be stopped and started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class PostgresServer:
    """A server that is nobody else's."""

    folder: Path
    binaries: Path
    port: int
    #: Lines for postgresql.conf, as `name=value`.
    settings: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Its database, as its superuser."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def control(self, action: str, *options: str) -> None:
        """Call pg_ctl, and wait until it is done."""
        program = [str(self.binaries / "pg_ctl"), "-D", str(self.folder / "data"), "-w"]
        subprocess.run(
            [*program, *options, action],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self.identity(),
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        told = ["listen_addresses=127.0.0.1", "unix_socket_directories=", *self.settings]
        options = " ".join([f"-p {self.port}", *(f"-c {setting}" for setting in told)])
        self.control("start", "-o", options, "-l", str(self.folder / "log"))

    def reachable_from(self, network: str) -> str:
        """Let a network in, at every address of this machine; returns `url`."""
        with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network} trust\n")
        self.settings = (*self.settings, "listen_addresses=*")
        self.kill()
        self.start()
        return self.url

    def kill(self) -> None:
        """End it at once, with whatever it was doing."""
        self.control("stop", "-m", "immediate")

    @staticmethod
    def identity() -> dict[str, str]:
        """As whom its programs run: PostgreSQL refuses to run as root."""
        return {"user": "postgres"} if os.geteuid() == 0 else {}


def programs() -> Path | None:
    """The folder of the newest server programs on this machine; None: there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def postgres_server(binaries: Path, *settings: str) -> Iterator[PostgresServer]:
    """A running server with an empty database; gone afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="lw-pg-"))
    server = PostgresServer(folder, binaries, port, settings)
    if server.identity():
        shutil.chown(folder, "postgres")
    program = [str(binaries / "initdb"), "-D", str(folder / "data"), "-A", "trust"]
    subprocess.run(
        [*program, "-U", "postgres", "-N"],
        check=True,
        stdout=subprocess.DEVNULL,
        **server.identity(),
    )
    server.start()
    try:
        yield server
    finally:
        subprocess.run(
            [str(binaries / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "stop"],
            check=False,
            capture_output=True,
            **server.identity(),
        )
        shutil.rmtree(folder, ignore_errors=True)
