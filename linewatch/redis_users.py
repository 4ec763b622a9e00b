"""Redis users with no more rights than each needs, as lines of an ACL file.

Whoever gets hold of a camera host's password can push frames of its lines and disturb these lines'
streams; he can read no picture, touch no other line, and enqueue no job. Cameras therefore ring by
writing a line's name, which a scoring host's pool turns into a job (`workers.relay`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.doorbell import RINGS_KEY
from ingest.frame import check_name
from ingest.stream import LINES_KEY
from linewatch.secrets import made_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

ANY_LINE = "*"
#: What every client says when it connects; the rest it may always say.
_CONNECTION = ("ping", "client|setname", "client|info", "info", "time")
#: What push.lua calls, since a script has its user's rights only, and what a camera calls itself.
_PUSHING = (
    "evalsha", "script|load", "hget", "hset", "hincrby", "xlen", "xadd", "xdel", "xinfo|groups",
    "exists", "lindex", "lpop", "rpush", "ltrim", "sadd", "set", "blpop", "lpush",
)  # fmt: skip
_CAMERA_KEYS = ("frames", "state", "droppable", "bell", "last", "waiting", "room")
#: Scoring workers, trainers and schedulers: all that is not for administrators, on our keys.
_WORKING = ("@read", "@write", "@blocking", "@transaction", "@scripting")
_NOT_WORKING = ("@admin", "@dangerous")


@dataclass(frozen=True, slots=True)
class RedisUser:
    """A user and what it may do, in the words of `ACL SETUSER`."""

    name: str
    rules: tuple[str, ...]

    def line(self, password: str) -> str:
        """Its line of an ACL file: the password stands there as a hash."""
        digest = hashlib.sha256(password.encode()).hexdigest()
        return " ".join(("user", self.name, "on", f"#{digest}", *self.rules))


def worker() -> RedisUser:
    """Of scoring hosts, the trainer, the scheduler and `linewatch doctor`."""
    allowed = [f"+{command}" for command in _WORKING]
    refused = [f"-{command}" for command in _NOT_WORKING]
    again = [f"+{command}" for command in _CONNECTION]
    return RedisUser(
        "worker",
        ("resetchannels", "~linewatch:*", "~rq:*", "-@all", *allowed, *refused, *again),
    )


def metrics() -> RedisUser:
    """Of `linewatch metrics`: reads, and writes nothing."""
    words = [f"+{command}" for command in _CONNECTION]
    return RedisUser(
        "metrics",
        ("resetchannels", "%R~linewatch:*", "%R~rq:*", "-@all", "+@read", "-@dangerous", *words),
    )


def cameras(host: str, lines: Sequence[str]) -> RedisUser:
    """Of a camera host: pushes frames of `lines`.

    Raises:
        ValueError: if a name cannot be one.
    """
    check_name("camera host", host)
    for line in lines:
        if line != ANY_LINE:
            check_name("line", line)
    keys = [f"~linewatch:{line}:{key}" for line in lines for key in _CAMERA_KEYS]
    droppable = " ".join(f"~linewatch:{line}:droppable" for line in lines)
    commands = [f"+{command}" for command in (*_CONNECTION, *_PUSHING)]
    return RedisUser(
        f"camera-{host}",
        ("resetchannels", *keys, f"~{LINES_KEY}", f"~{RINGS_KEY}", "-@all", *commands,
         f"(-@all +del {droppable})"),
    )  # fmt: skip


def acl_file(users: Iterable[RedisUser], folder: Path) -> str:
    """An ACL file of these users, and of nobody else: the default user is off.

    Args:
        users: who there is.
        folder: has, or gets, a file with each one's password, for this system's user only.

    Raises:
        SettingsError: if a file cannot be read or written.
    """
    lines = ["user default off resetkeys resetchannels -@all"]
    for user in users:
        lines.append(user.line(made_secret(folder / f"redis_{user.name}_password")))
    return "\n".join(lines) + "\n"
