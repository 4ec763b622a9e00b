"""`python -m bench faults`: every scenario on a plant of its own, and what became of the frames."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import struct
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from bench.comparison import NONE, markdown
from bench.faults import scenarios
from bench.faults.place import Place, cameras, place
from bench.faults.scenarios import SCENARIOS
from bench.postgres_server import postgres_server, programs
from bench.results import write_section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.faults.account import Account

KEPT = Path(__file__).parents[1] / ".runs" / "faults.json"
FRAMES, RATE = 10_000, 150.0
#: Scenarios whose store, or home, is a small disk of its own, and its size.
SMALL_DISKS = {
    "store_full": "store",
    "store_read_only": "store",
    "disk_full": "data",
    "redis_disk_full": "valkey",
}
SMALL_MIB = 48
_HEAD = (
    *("fault", "database", "what", "made", "scored", "UNINSPECTED", "quarantine", "dropped"),
    *("in hand of killed hosts", "lost", "twice", "unexplained", "full rate after"),
)


def main(arguments: Sequence[str]) -> int:
    """Run the scenarios asked for, or all; 1 if a frame was lost, twice there, or unexplained."""
    options = _parse(arguments)
    if options.list:
        for name, (fault, database) in SCENARIOS.items():
            print(f"{name:30} {database:10}  {fault.__doc__}")
        return 0
    scenarios.AWAY_S = options.away
    rows, failed = {}, 0
    for name in options.scenarios or SCENARIOS:
        started = time.monotonic()
        print(f"{name} ...", flush=True)
        try:
            made, found = run(name, options.frames, options.rate)
        except (OSError, RuntimeError, SystemExit) as exc:
            print(f"  FAILED: {exc}", flush=True)
            rows[name] = [name.replace("_", " "), SCENARIOS[name][1], f"**failed**: {exc!s:.80}"]
            failed += 1
            continue
        rows[name] = _row(name, made, found)
        failed += not found.is_whole
        print(f"  {' | '.join(rows[name])}; {time.monotonic() - started:.0f} s", flush=True)
    if not options.only_tell:
        _write(rows, options.rate)
    return 1 if failed else 0


def run(name: str, frames: int, rate: float) -> tuple[Place, Account]:
    """One scenario: cameras, the fault meanwhile, and the account when all is through."""
    fault, database = SCENARIOS[name]
    random.seed(name)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lw-faults-")))
        if name in SMALL_DISKS:
            _mount(home / SMALL_DISKS[name], stack)
        server = None
        if database == "postgresql":
            binaries = programs()
            if binaries is None:
                raise RuntimeError("there are no PostgreSQL server programs on this machine")
            server = stack.enter_context(postgres_server(binaries, "max_connections=40"))
        if name == "clock_jumps_back":
            _set_clock(home, stack)
        at = stack.enter_context(place(home, server, database_folder="data"))
        at.start_scheduler()
        at.start_workers(2)
        for spec in cameras(frames, rate):
            at.start_camera(spec)
        while (at.look() or 0) < 100:  # it runs
            time.sleep(0.1)
        fault(at)
        return at, at.finish()


def _mount(folder: Path, stack: ExitStack) -> None:
    """A small disk of its own; needs root."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_MIB}m", "tmpfs", str(folder)]
    subprocess.run(command, check=True)
    stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=False)


def _set_clock(home: Path, stack: ExitStack) -> None:
    """Give all processes started from now on a clock that can be put back, Redis included."""
    library = home / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    file = home / "clock"
    file.write_bytes(struct.pack("q", 0))
    variables = {"LD_PRELOAD": str(library), "LINEWATCH_BENCH_CLOCK": str(file)}
    stack.enter_context(patch.dict(os.environ, variables))


def _row(name: str, made: Place, found: Account) -> list[str]:
    what = ", ".join(f"{count} {of}" for of, count in made.counts.items())
    recovery = made.recovery_s()
    figures = [found.made, found.scored, found.uninspected, found.quarantined, found.dropped]
    figures += [found.gone, found.lost, found.duplicated, found.unexplained]
    return [
        name.replace("_", " "),
        SCENARIOS[name][1],
        what or NONE,
        *(f"{figure:,}" for figure in figures),
        NONE if recovery is None else f"{max(recovery, 0):.1f} s",
    ]


def _write(new: dict[str, list[str]], rate: float) -> None:
    """Write the section: the scenarios run now, and of all others their last run."""
    KEPT.parent.mkdir(exist_ok=True)
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept |= new
    KEPT.write_text(json.dumps(kept, indent=1))
    rows = [kept[name] for name in SCENARIOS if name in kept]
    write_section(
        "faults",
        "What became of every frame that the cameras wrote into their journals, while something "
        "failed under load. Wanted: lost 0, twice 0, unexplained 0, full rate (nine tenths of what "
        "is offered) within 10 s of the fault's end, 30 s for a lost worker's frames.",
        f"a scorer that takes {Place.ms:g} ms, 2 processes, two blocking cameras (one with every "
        f"fiftieth picture cut off) and one free-running, {rate:g} frames/s in all, Valkey "
        "with AOF everysec; frames of a silent worker are taken over after 5 s, a process that "
        "hangs is ended after 5 s; busy machine",
        markdown(list(_HEAD), [row + [NONE] * (len(_HEAD) - len(row)) for row in rows]),
    )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench faults", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--frames", type=int, default=FRAMES, help="of the cameras together")
    parser.add_argument("--rate", type=float, default=RATE, help="frames a second, together")
    parser.add_argument(
        "--away",
        type=float,
        default=scenarios.AWAY_S,
        help="seconds for which something is away, the database three times as long",
    )
    parser.add_argument("--list", action="store_true", help="say what there is, and end")
    parser.add_argument("--only-tell", action="store_true", help="write no section")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"there is no scenario {unknown[0]!r}: choose from {', '.join(SCENARIOS)}")
    if shutil.which("mount") is None:
        parser.error("this needs a system with mount, and root")
    options.scenarios = options.scenarios or None
    return options
