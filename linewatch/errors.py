"""Errors of the command line, and which errors of other packages a user is expected to meet."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class LinewatchError(Exception):
    """Root of everything the command line raises on purpose."""


class SettingsError(LinewatchError):
    """Raised when a setting is unknown, has a wrong type, or cannot be read."""


class ReportError(LinewatchError):
    """Raised when the page about an evaluation cannot be written."""


class CapacityError(LinewatchError):
    """Raised when it cannot be measured how many frames a model carries here."""


class LabelledDataError(LinewatchError):
    """Raised when a line's labelled data cannot be exported or imported as asked."""


class BackupError(LinewatchError):
    """Raised when a backup cannot be made, or what was given is none that can be restored."""


class EmbeddedServerError(LinewatchError):
    """Raised when the embedded Valkey server cannot be started, reached or stopped."""


class PortInUse(LinewatchError):
    """Raised when another program already listens where the dashboard should."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"port {port} on {host} is in use: end the program that listens there, "
            "or choose another with --port or dashboard_port"
        )
        self.host = host
        self.port = port


class DemoError(LinewatchError):
    """Raised when the demo cannot start or go on."""


class ChildDied(DemoError):
    """Raised when a process the demo depends on ended by itself."""

    def __init__(self, name: str, code: int, log_file: Path) -> None:
        super().__init__(f"the {name} ended by itself with exit code {code}: see {log_file}")
        self.name = name
        self.code = code
        self.log_file = log_file


#: Causes outside the program: the user can mend them, a traceback would not help.
OUTSIDE_ERRNOS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EADDRINUSE,
    }
)


def expected_message(error: BaseException) -> str | None:
    """One line for an error a user can be expected to meet; None for one that is our mistake."""
    text = _text_of(error)
    return None if text is None else " ".join(text.split())


def _text_of(error: BaseException) -> str | None:
    from db.errors import DbError
    from ingest.errors import IngestError
    from models.errors import ModelError
    from workers.errors import WorkerError

    if isinstance(error, (LinewatchError, ModelError, IngestError, DbError, WorkerError)):
        return str(error)
    if isinstance(error, OSError) and error.errno in OUTSIDE_ERRNOS:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return _redis_text(error) or _database_text(error)


def _redis_text(error: BaseException) -> str | None:
    if "redis" not in sys.modules:  # not imported: the error cannot be one of its own
        return None
    from redis import exceptions as redis_errors

    if isinstance(error, redis_errors.AuthenticationError):
        return f"Redis refuses the password ({error}): set LINEWATCH_REDIS_PASSWORD"
    if isinstance(error, (redis_errors.ConnectionError, redis_errors.TimeoutError)):
        return f"Redis cannot be reached ({error}): check redis_url and that the server runs"
    if isinstance(error, redis_errors.OutOfMemoryError):
        return f"Redis is full ({error}): raise its maxmemory, or lower stream_max_bytes"
    return None


def _database_text(error: BaseException) -> str | None:
    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.exc import OperationalError

    if isinstance(error, OperationalError):
        return f"the database cannot be used ({error.orig}): check database_url"
    return None
