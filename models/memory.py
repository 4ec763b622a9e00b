"""How much memory this process needed at most."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_rss_mib() -> float:
    """The largest resident set this process ever had, in MiB."""
    try:
        # Not getrusage first: there, Linux counts what a parent held before it started this
        # program.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 1024
