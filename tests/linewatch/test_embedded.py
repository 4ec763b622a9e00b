"""The embedded server, with the real program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest
from redis import Redis

from linewatch import embedded
from linewatch.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home whose name needs quoting; its server is stopped afterwards."""
    home = tmp_path / 'a "plant" #1'
    yield home
    embedded.stop(home)


def client_of(server: embedded.EmbeddedServer) -> Redis:
    return Redis.from_url(server.url)


def test_a_server_is_started_once_and_then_reused(home: Path) -> None:
    first, started = embedded.start(home)
    second, started_again = embedded.start(home)

    assert (started, started_again) == (True, False)
    with client_of(first) as a, client_of(second) as b:
        a.set("key", "value")
        assert b.get("key") == b"value"


def test_the_server_persists_refuses_when_full_and_has_no_port(home: Path) -> None:
    server, _ = embedded.start(home, max_memory_mib=64)

    with client_of(server) as client:
        config = client.config_get("*")
    assert config["appendonly"] == "yes"
    assert config["appendfsync"] == "everysec"
    assert config["maxmemory"] == str(64 * 1024 * 1024)
    assert config["maxmemory-policy"] == "noeviction"
    assert config["port"] == "0"


def test_only_this_user_may_enter_the_servers_folder(home: Path) -> None:
    server, _ = embedded.start(home)

    assert server.folder.stat().st_mode & 0o777 == 0o700
    assert server.socket.stat().st_mode & 0o777 == 0o700


def test_it_can_be_told_to_make_sure_of_every_frame(home: Path) -> None:
    server, _ = embedded.start(home, appendfsync="always")

    client = client_of(server)
    assert client.config_get("appendfsync") == {"appendfsync": "always"}
    client.close()


def test_data_are_there_after_stop_and_start(home: Path) -> None:
    server, _ = embedded.start(home)
    with client_of(server) as client:
        client.xadd("frames", {"image": b"\x00\xff"})

    assert embedded.stop(home) is True
    assert not server.answers()
    embedded.start(home)

    with client_of(server) as client:
        assert client.xrange("frames")[0][1] == {b"image": b"\x00\xff"}


def test_a_server_with_much_to_load_is_ready_when_start_returns(home: Path) -> None:
    server, _ = embedded.start(home)
    with client_of(server) as client:
        for number in range(300):
            client.set(f"image:{number}", os.urandom(300_000))
    embedded.stop(home)

    embedded.start(home)

    with client_of(server) as client:
        assert client.dbsize() == 300


def test_stopping_what_does_not_run_is_no_error(home: Path) -> None:
    assert embedded.stop(home) is False


def test_a_killed_servers_files_are_reaped(home: Path) -> None:
    server, _ = embedded.start(home)
    process = server.process()
    assert process is not None
    process.kill()
    while server.process() is not None:
        time.sleep(0.01)
    assert server.socket.exists()

    _, started = embedded.start(home)

    assert started
    assert server.answers()


def test_a_pid_file_that_names_another_program_is_ignored(home: Path) -> None:
    server = embedded.embedded_server(home)
    server.folder.mkdir(parents=True)
    server.pid_file.write_text(str(os.getpid()))
    server.socket.parent.mkdir(parents=True, exist_ok=True)  # elsewhere, where home is a long path
    server.socket.write_text("not a socket")

    _, started = embedded.start(home)

    assert started  # and this process still lives


def test_a_server_that_does_not_answer_is_replaced(home: Path) -> None:
    server, _ = embedded.start(home)
    hung = server.process()
    assert hung is not None
    server.socket.unlink()  # nobody can reach it any more

    _, started = embedded.start(home)

    assert started
    assert not hung.is_running() or hung.status() == psutil.STATUS_ZOMBIE
    assert server.answers()


def test_the_server_outlives_a_killed_starter_and_is_reused(home: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from linewatch import embedded; "
        "embedded.start(Path(sys.argv[1])); print('up', flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, start_new_session=True
    )
    assert starter.stdout is not None
    with starter:
        assert starter.stdout.readline() == b"up\n"
        os.killpg(starter.pid, signal.SIGKILL)

    _, started = embedded.start(home)

    assert not started


def test_of_many_who_start_it_at_once_one_does(home: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from linewatch import embedded; "
        "print(embedded.start(Path(sys.argv[1]))[1])"
    )

    def start(_: int) -> str:
        command = [sys.executable, "-c", code, str(home)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(start, range(4)))

    assert sorted(answers) == ["False", "False", "False", "True"]


def test_a_home_too_deep_for_a_socket_gets_one_in_the_temp_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    server = embedded.embedded_server(deep)
    assert len(os.fsencode(server.socket)) <= 100
    try:
        embedded.start(deep)
        assert server.answers()
        assert server.socket.parent.stat().st_mode & 0o777 == 0o700
    finally:
        embedded.stop(deep)
        server.socket.parent.rmdir()


def test_a_server_that_cannot_load_its_data_says_why(home: Path) -> None:
    server, _ = embedded.start(home)
    embedded.stop(home)
    for file in (server.folder / "appendonlydir").glob("*.manifest"):
        file.write_text("nonsense\n")

    began = time.monotonic()
    with pytest.raises(EmbeddedServerError, match=r"did not come up: .*valkey\.log"):
        embedded.start(home)
    assert time.monotonic() - began < 10
