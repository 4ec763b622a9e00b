"""The command line: help, exit codes, and one line for every expected error."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import click
import pytest

from linewatch import cli
from linewatch.errors import expected_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Outcome

    Linewatch = Callable[..., Outcome]


def assert_one_line(outcome: Outcome, *wanted: str) -> None:
    """Exit code 2 and exactly one line on stderr that says all that is wanted."""
    assert outcome.code == 2
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("linewatch: ")
    for text in wanted:
        assert text in lines[0]


def test_help_lists_every_command_and_imports_none() -> None:
    heavy = [
        "torch", "numpy", "cv2", "openvino", "pydantic", "redis", "rq", "sqlalchemy", "streamlit",
        "rich",
    ]  # fmt: skip
    code = (
        "import sys; from linewatch.cli import run; run(['--help']); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
    for command in cli.COMMANDS:
        assert f"  {command} " in done.stdout


@pytest.mark.slow
def test_help_is_there_in_a_moment() -> None:
    took = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "linewatch", "--help"], capture_output=True, check=True
        )
        took.append(time.perf_counter() - began)

    # The best of three, as other programs share the machine.
    assert min(took) < 0.3


def test_the_help_table_says_what_the_commands_say() -> None:
    context = click.Context(cli.linewatch)
    for name, (_, text) in cli.COMMANDS.items():
        command = cli.linewatch.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(200).rstrip(".") == text.rstrip(".")


def commands_below(group: click.Group, words: list[str]) -> list[list[str]]:
    """Every command line that ends in a command."""
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found += commands_below(command, [*words, name])
        found.append([*words, name])
    return found


@pytest.mark.parametrize("words", commands_below(cli.linewatch, []), ids=" ".join)
def test_every_command_has_help_that_says_what_each_option_does(
    linewatch: Linewatch, words: list[str]
) -> None:
    outcome = linewatch(*words, "--help")

    assert outcome.code == 0
    assert outcome.out.startswith("Usage: linewatch " + " ".join(words))
    command: click.Command | None = cli.linewatch
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command is not None
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    assert [option.name for option in options if not option.help] == []


def test_an_unknown_command_is_one_line(linewatch: Linewatch) -> None:
    assert_one_line(linewatch("inspect"), "No such command 'inspect'", "linewatch --help")


def test_an_unknown_option_is_one_line(linewatch: Linewatch) -> None:
    assert_one_line(linewatch("worker", "--procs", "3"), "--procs", "linewatch worker --help")


def test_a_wrong_setting_is_one_line(linewatch: Linewatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEWATCH_MAX_BATCH", "lots")

    assert_one_line(linewatch("settings"), "max_batch", "environment", "'lots'")


def test_settings_shows_origins_and_hides_secrets(
    linewatch: Linewatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEWATCH_REDIS_PASSWORD", "hunter2")

    outcome = linewatch("settings", "--redis-url", "redis://:hunter2@host", "--log-level", "debug")

    assert outcome.code == 0
    assert "hunter2" not in outcome.out
    rows = {line.split()[0]: line.split()[1:] for line in outcome.out.splitlines() if line}
    assert rows["redis_password"] == ["environment", "**********"]
    assert rows["redis_url"] == ["flag", "redis://:****@host"]
    assert rows["max_batch"] == ["default", "4"]
    assert rows["log_level"] == ["flag", "debug"]


def test_a_redis_that_is_not_there_is_one_line(linewatch: Linewatch) -> None:
    for command in ("worker", "trainer", "scheduler"):
        outcome = linewatch(command, "--redis-url", "redis://127.0.0.1:1")
        assert_one_line(outcome, "Redis cannot be reached", "redis_url")


def test_a_database_server_that_is_not_there_is_one_line(linewatch: Linewatch) -> None:
    pytest.importorskip("psycopg")
    url = "postgresql://someone:hunter2@127.0.0.1:1/plant"

    outcome = linewatch("line", "list", "--database-url", url)

    assert_one_line(outcome, "127.0.0.1", "cannot be used")
    assert "hunter2" not in outcome.err


def test_a_database_folder_that_is_not_there_is_one_line(linewatch: Linewatch) -> None:
    outcome = linewatch("db", "upgrade", "--database-url", "sqlite:////nowhere/at/all.db")

    assert_one_line(outcome, "there is no folder /nowhere/at")


def test_a_database_without_tables_is_one_line_that_says_what_to_do(linewatch: Linewatch) -> None:
    assert_one_line(linewatch("line", "list"), "linewatch db upgrade")


def test_a_line_is_added_once_and_listed(linewatch: Linewatch) -> None:
    assert linewatch("db", "upgrade").code == 0
    assert linewatch("line", "add", "tiles", "--description", "glazed").code == 0

    assert_one_line(linewatch("line", "add", "tiles"), "'tiles'")
    assert_one_line(linewatch("line", "add", "no spaces"), "'no spaces'", "letters")
    listed = linewatch("line", "list").out.splitlines()
    assert listed[1].split() == ["tiles", "none", "0", "glazed"]


def test_defect_classes_are_listed_and_set_as_one_list(linewatch: Linewatch) -> None:
    linewatch("db", "upgrade")
    linewatch("line", "add", "tiles")

    assert linewatch("line", "classes", "tiles", "crack", "blow hole").code == 0

    assert linewatch("line", "classes", "tiles").out.splitlines() == ["crack", "blow hole"]
    assert_one_line(linewatch("line", "classes", "tiles", "crack", "crack"), "'crack'", "twice")
    assert_one_line(linewatch("line", "classes", "tiles", "x" * 65), "1 to 64 characters")
    assert_one_line(linewatch("line", "classes", "plates"), "no line 'plates'")


def test_a_model_for_an_unknown_line_is_one_line(linewatch: Linewatch, tmp_path: Path) -> None:
    linewatch("db", "upgrade")

    assert_one_line(linewatch("model", "add", "tiles", tmp_path), "no line 'tiles'")
    assert_one_line(linewatch("model", "list", "tiles"), "no line 'tiles'")


def test_a_folder_that_is_no_model_is_one_line(linewatch: Linewatch, tmp_path: Path) -> None:
    linewatch("db", "upgrade")
    linewatch("line", "add", "tiles")

    assert_one_line(linewatch("model", "add", "tiles", tmp_path / "x"), "no trained model")


@pytest.fixture
def port_taken() -> Iterator[int]:
    taken = socket.create_server(("127.0.0.1", 0))
    yield taken.getsockname()[1]
    taken.close()


def test_a_port_in_use_is_one_line(linewatch: Linewatch, port_taken: int) -> None:
    outcome = linewatch("dashboard", "--port", port_taken)

    assert_one_line(outcome, f"port {port_taken} on 127.0.0.1 is in use", "--port")


def test_an_address_that_is_not_ours_is_one_line(linewatch: Linewatch) -> None:
    assert_one_line(linewatch("dashboard", "--host", "192.0.2.1"), "192.0.2.1", "dashboard_host")


def test_an_unexpected_error_keeps_its_traceback(
    linewatch: Linewatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("our own mistake")

    monkeypatch.setattr("linewatch.loading.load_settings", broken)

    with pytest.raises(RuntimeError, match="our own mistake"):
        linewatch("settings")


def test_an_expected_error_of_several_lines_becomes_one() -> None:
    error = OSError(28, "No space left on device", "/data/model")

    assert expected_message(error) == "/data/model: No space left on device"
    assert expected_message(ValueError("x")) is None


def test_ctrl_c_ends_with_130_and_no_traceback() -> None:
    code = "os.kill(os.getpid(), signal.SIGINT)"
    program = (
        "import os, signal, sys, linewatch.cli as cli, linewatch.loading as loading\n"
        # A shell's background job, such as these tests may be, starts with the signal ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"def interrupted(*_, **__): {code}; import time; time.sleep(5)\n"
        "loading.load_settings = interrupted\n"
        "sys.exit(cli.run(['settings']))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.returncode == 130
    assert done.stderr.strip() == ""
