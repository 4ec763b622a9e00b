"""A worker's sign of life for whoever started it, also when its code hangs where no signal gets in.

The time of the last sign lies in a small file that both have in their memory: a beat costs no
system call, and reading it needs nothing of a process that hangs.
"""

from __future__ import annotations

import mmap
import struct
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_AT = struct.Struct("d")
_AT_REST = 0.0


class Heartbeat:
    """The time since which a process has been at its work, or that it has none."""

    def __init__(self, file: Path) -> None:
        """Share the clock in `file`, made by `make_file`."""
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), _AT.size)

    def beat(self) -> None:
        """Say that the work goes on."""
        _AT.pack_into(self._memory, 0, time.monotonic())

    def rest(self) -> None:
        """Say that there is no work: silence means nothing until the next beat."""
        _AT.pack_into(self._memory, 0, _AT_REST)

    def silent_s(self) -> float:
        """Seconds since the last beat; 0 at rest."""
        (at,) = _AT.unpack_from(self._memory)
        return 0.0 if at == _AT_REST else time.monotonic() - at


def make_file(file: Path) -> Heartbeat:
    """Make the file of a heartbeat that is at rest."""
    file.write_bytes(_AT.pack(_AT_REST))
    return Heartbeat(file)
