"""The processes the demo starts, each with a log of its own; none outlives the demo."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from linewatch.errors import ChildDied
from linewatch.services import own_command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Children:
    """linewatch processes that run side by side until they are stopped."""

    def __init__(self, logs: Path, environment: Mapping[str, str], cwd: Path) -> None:
        """Run them in `cwd` with `environment`; each writes to its file in `logs`."""
        self._logs = logs
        self._environment = environment
        self._cwd = cwd
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *words: str) -> None:
        """Start `linewatch WORDS`; `name` is for its log and for messages."""
        with self.log_file(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(  # noqa: S603 - our own program
                own_command(*words),
                env=self._environment,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A session of its own: Ctrl-C reaches the demo alone, which ends them in order.
                start_new_session=True,
            )

    def log_file(self, name: str) -> Path:
        """Where `name` writes its log."""
        return self._logs / f"{name}.log"

    def check(self) -> None:
        """Raise ChildDied if one ended by itself."""
        for name, process in self._processes.items():
            code = process.poll()
            if code is not None:
                raise ChildDied(name, code, self.log_file(name))

    def stop(self, grace_s: float = 20.0) -> None:
        """End all of them and what they started; after `grace_s` without asking."""
        family = [member for p in self._processes.values() for member in _family(p.pid)]
        for process in self._processes.values():
            process.terminate()
        deadline = time.monotonic() + grace_s
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0.01))
        for member in family:  # those that ended on their own are told apart by their start time
            with suppress(psutil.NoSuchProcess):
                member.kill()
        for process in self._processes.values():
            process.wait()
        self._processes.clear()


def _family(pid: int) -> list[psutil.Process]:
    """A process and its descendants, as far as they live."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
