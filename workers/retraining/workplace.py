"""The folder a retraining works in: beside the models, so that the finished one is only renamed."""

from __future__ import annotations

import fcntl
import secrets
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from workers.errors import RetrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = structlog.get_logger()

PREFIX = ".retraining-"
LOCK_FILE = "lock"
#: A folder without a lock that has not changed for so long is nobody's.
LOCKLESS_S = 60.0


@contextmanager
def workplace(folder: Path, retraining_id: int) -> Iterator[Path]:
    """A new folder within `folder`, removed at the end.

    It holds a lock as long as its process lives; what a killed process left is removed first.

    Raises:
        RetrainingError: if the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
        place = folder / f"{PREFIX}{retraining_id}-{secrets.token_hex(4)}"
        place.mkdir()
        lock = (place / LOCK_FILE).open("w")
    except OSError as exc:
        raise RetrainingError(
            f"cannot work in the models' folder {folder}: {exc.strerror}: free space, or let the "
            "trainer's user write there (setting models_dir)"
        ) from exc
    try:
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def remove_abandoned(folder: Path) -> None:
    """Remove what killed retrainings left in `folder`."""
    for place in folder.glob(f"{PREFIX}*"):
        try:
            with (place / LOCK_FILE).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(place)
        except BlockingIOError:
            continue  # its process lives
        except FileNotFoundError:
            # Just being made, or its process was killed while it removed it, the lock first.
            if _age_s(place) > LOCKLESS_S:
                shutil.rmtree(place, ignore_errors=True)
        except OSError as exc:  # just being made or removed by another trainer
            log.warning("workplace.not_removed", folder=str(place), error=str(exc))
        else:
            log.info("workplace.removed", folder=str(place))


def _age_s(place: Path) -> float:
    """Seconds since something was made or removed in a folder; 0 where it is gone."""
    try:
        return time.time() - place.stat().st_mtime
    except OSError:
        return 0.0
