"""Results of runs on disk, and who is at which: hours of work are done once, and can be stopped.

A result is one JSON file named by its digest. A run is claimed by a lock that ends with the
processes that hold it, so several processes can share the work, and none is lost with one of them.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.runs import Run

#: Not kept in git.
FOLDER = Path(__file__).with_name(".runs")


@dataclass(frozen=True)
class Store:
    """A folder of results."""

    #: Made when something is written.
    folder: Path = FOLDER

    def find(self, run: Run) -> dict[str, Any] | None:
        """What `put` stored for exactly this run, its images and the code as it is now."""
        file = self._file(run)
        if not file.exists():
            return None
        record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return record

    def put(self, run: Run, record: dict[str, Any]) -> None:
        """Keep a result."""
        file = self._file(run)
        file.parent.mkdir(parents=True, exist_ok=True)
        building = file.with_name(f"{file.name}-{os.getpid()}")
        building.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        building.replace(file)

    @contextmanager
    def claim(self, run: Run) -> Iterator[IO[bytes] | None]:
        """Take a run for this process and those that inherit the lock; None if it is taken."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._file(run).with_suffix(".lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            yield lock

    def log_file(self, run: Run) -> Path:
        """Where the run's process writes to."""
        return self._file(run).with_suffix(".log")

    def _file(self, run: Run) -> Path:
        return self.folder / f"{run.detector}-{run.digest()}.json"


def do_all(store: Store, runs: Iterable[Run], launcher: str = "") -> list[Run]:
    """Do those runs that have no result and nobody is at, each in a process of its own.

    Args:
        store: where results are.
        runs: in the order of doing.
        launcher: a command put before that of each run, such as `nice -n 5`.

    Returns:
        The runs that failed; each has said why.
    """
    failed = []
    for run in runs:
        try:
            is_fine = _do_if_free(store, run, shlex.split(launcher))
        except ModelError as exc:
            print(f"{run}: {exc}", flush=True)
            is_fine = False
        if not is_fine:
            failed.append(run)
    return failed


def _do_if_free(store: Store, run: Run, launcher: Sequence[str]) -> bool:
    if store.find(run) is not None:
        return True
    with store.claim(run) as lock:
        # Again: another process may just have finished it.
        if lock is None or store.find(run) is not None:
            return True
        print(f"{run} ...", flush=True)
        return _do(store, run, launcher, lock)


def _do(store: Store, run: Run, launcher: Sequence[str], lock: IO[bytes]) -> bool:
    command = [*launcher, sys.executable, "-m", "bench.run_once", str(store.folder), run.to_json()]
    # As many threads everywhere: of torch, of OpenVINO and of NumPy's libraries.
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(run.threads))
    log = store.log_file(run)
    with log.open("wb") as file:
        # The lock goes with the process: if this one is killed, the run is still claimed.
        done = subprocess.run(
            command, env=environment, stdout=file, stderr=file, pass_fds=[lock.fileno()]
        )
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = lines[-1] if lines else "it said nothing"
    verdict = "done" if done.returncode == 0 else f"FAILED with code {done.returncode}"
    print(f"  {verdict}: {said}", flush=True)
    return done.returncode == 0
