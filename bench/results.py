"""The last figures of each benchmark, in bench/RESULTS.md, one section each."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
HEAD = """# Last figures

One section a benchmark, written by `python -m bench NAME`. Machines differ and are noisy: compare
within a section, not between two.
"""


def machine() -> str:
    """The processor, its usable cores, and Python."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (found := re.search(r"model name\s*: (.+)", cpuinfo.read_text())):
        model = found[1]
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"


def write(name: str, what: str, settings: str, rows: dict[str, str]) -> None:
    """Replace the section `name` by a table of figures, and print it."""
    lines = ["| figure | value |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items())]
    write_section(name, what, settings, "\n".join(lines))


def write_section(name: str, what: str, settings: str, body: str) -> None:
    """Replace the section `name` by any markdown, and print it."""
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = f"- when: {when}\n- machine: {machine()}\n- settings: {settings}"
    section = f"## {name}\n\n{what}\n\n{facts}\n\n{body}\n"
    print(section)
    text = RESULTS.read_text() if RESULTS.exists() else HEAD
    sections = re.split(r"^(?=## )", text, flags=re.M)
    kept = [s.rstrip() + "\n" for s in sections[1:] if not s.startswith(f"## {name}\n")]
    ordered = sorted([*kept, section], key=lambda s: s.splitlines()[0])
    RESULTS.write_text("\n".join([sections[0].rstrip() + "\n", *ordered]))


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of `values` lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
