"""Child processes that do not outlive a killed parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

#: From <linux/prctl.h>.
PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Let the kernel send this process SIGTERM when the one that started it dies, however it dies.

    Args:
        parent: its process id.

    Linux only; elsewhere a parent that is killed with SIGKILL leaves its children running.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)
