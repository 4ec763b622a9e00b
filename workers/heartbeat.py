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
#: In place of a time: no work; or not even ready for any.
_AT_REST, _STARTING = 0.0, -1.0


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

    def start(self) -> None:
        """Say that a process starts: silence means nothing, and it cannot take work yet."""
        _AT.pack_into(self._memory, 0, _STARTING)

    def silent_s(self) -> float:
        """Seconds since the last beat; 0 at rest."""
        (at,) = _AT.unpack_from(self._memory)
        return 0.0 if at in (_AT_REST, _STARTING) else time.monotonic() - at

    @property
    def is_ready(self) -> bool:
        """Whether the process is past its start."""
        (at,) = _AT.unpack_from(self._memory)
        return bool(at != _STARTING)


def make_file(file: Path) -> Heartbeat:
    """Make the file of a heartbeat of a process that starts."""
    file.write_bytes(_AT.pack(_STARTING))
    return Heartbeat(file)
