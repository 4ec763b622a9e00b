"""Engines for SQLite and PostgreSQL, and their failures in one clear line each.

Every driver error that means "this database cannot be used" is raised as DatabaseUnavailable,
wherever it comes up: at connecting, in a query or at commit. Other errors (a constraint, a
deadlock) stay SQLAlchemy's.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from db.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Engine, ExceptionContext
    from sqlalchemy.engine.interfaces import DBAPIConnection

#: Several workers write the same file; each waits this long for its turn.
SQLITE_BUSY_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_S = 10
#: A server that is gone without a word (its cable is cut) is given up after some ten seconds, not
#: after TCP's quarter of an hour.
LOST_SERVER = {
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}

SQLITE_FAILURES = {
    "SQLITE_BUSY": "another process holds its write lock: is one stuck in a transaction?",
    "SQLITE_LOCKED": "another process holds its write lock: is one stuck in a transaction?",
    "SQLITE_CANTOPEN": "check that its folder exists and that this user may write there",
    "SQLITE_READONLY": "this user may not write the file or its folder: change their permissions",
    "SQLITE_PERM": "this user may not write the file or its folder: change their permissions",
    "SQLITE_IOERR": "reading or writing the file failed: check the disk",
    "SQLITE_FULL": "the disk is full: free some space",
    "SQLITE_NOTADB": "the file is not a SQLite database: name another file, or move this one away",
    "SQLITE_CORRUPT": "the file is damaged: restore it from a backup",
}
#: SQLSTATE, or its class, to what to do about it.
POSTGRESQL_FAILURES = {
    "08": "the connection broke: check that the server runs and can be reached",
    "28": "check the user name and password",
    "3D": "create that database, or name another one",
    "53100": "the server's disk is full: free some space there",
    "53300": "the server has no connection left: raise its max_connections",
    "53": "the server is out of resources",
    "57P": "the server is stopping or starting: try again",
}


def make_engine(url: str | URL) -> Engine:
    """An engine for a `sqlite:///file` or `postgresql://` address; does not connect yet.

    Transactions behave alike on both databases, as READ COMMITTED: a query sees what is committed
    when it starts, and the first write takes the lock it needs (on SQLite the whole file's, waiting
    for its turn). What was read before the first write may have changed since: see `db.locking`.

    Raises:
        DatabaseUnavailable: if the address cannot be used.
    """
    address = _parse(url)
    if address.get_backend_name() == "sqlite":
        synchronous = _synchronous(address)
        # The driver then begins a transaction at its first write, and with the write lock: readers
        # hold none, and no transaction that has read fails when it wants to write.
        engine = create_engine(
            address.difference_update_query(["synchronous"]),
            connect_args={"isolation_level": "IMMEDIATE"},
        )
        event.listen(engine, "connect", partial(_set_sqlite_pragmas, synchronous))
    else:
        engine = _make_postgresql_engine(address)
        event.listen(engine, "connect", _set_postgresql_session)
    event.listen(engine, "handle_error", _translate)
    return engine


def check(engine: Engine) -> None:
    """Connect once; raises DatabaseUnavailable with what to do if that fails."""
    check_place(engine.url)
    if is_missing_file(engine.url):
        return
    with engine.connect() as connection:
        # Reads the file's header, so that SQLite notices a file that is no database.
        statement = "PRAGMA schema_version" if engine.dialect.name == "sqlite" else "SELECT 1"
        connection.execute(text(statement))


def check_place(url: URL) -> None:
    """Raise DatabaseUnavailable if a SQLite file's folder is missing or not writable."""
    if url.get_backend_name() != "sqlite":
        return
    file = Path(url.database or "")
    if not file.parent.is_dir():
        raise DatabaseUnavailable(
            f"the database {describe(url)} cannot be opened: there is no folder {file.parent}: "
            "create it, or correct the address"
        )
    if file.is_dir():
        raise DatabaseUnavailable(
            f"the database {describe(url)} cannot be opened: that is a folder: name a file in it"
        )
    if not os.access(file.parent, os.W_OK) or (file.exists() and not os.access(file, os.W_OK)):
        raise DatabaseUnavailable(
            f"the database {describe(url)} cannot be opened: {SQLITE_FAILURES['SQLITE_READONLY']}"
        )


def is_missing_file(url: URL) -> bool:
    """True for a SQLite file that does not exist yet; connecting would leave an empty one."""
    return url.get_backend_name() == "sqlite" and not Path(url.database or "").exists()


def describe(url: URL) -> str:
    """The address without its password."""
    return url.render_as_string(hide_password=True)


def _parse(url: str | URL) -> URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        # The text is not repeated: it may hold a password. So is the cause.
        raise DatabaseUnavailable(
            "the database address cannot be read: write sqlite:///linewatch.db or "
            "postgresql://user:password@host/name"
        ) from None
    backend = address.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise DatabaseUnavailable(
            f"databases of kind {backend!r} are not supported: use sqlite or postgresql"
        )
    if backend == "sqlite" and address.database in {None, "", ":memory:"}:
        raise DatabaseUnavailable(
            "a SQLite database in memory cannot be shared by processes: name a file, "
            "such as sqlite:///linewatch.db"
        )
    return address


def _make_postgresql_engine(address: URL) -> Engine:
    defaults = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": "linewatch",
        **LOST_SERVER,
    }
    arguments = {name: value for name, value in defaults.items() if name not in address.query}
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    try:
        return create_engine(address, pool_pre_ping=True, connect_args=arguments)
    except (ModuleNotFoundError, NoSuchModuleError) as exc:
        raise DatabaseUnavailable(
            "PostgreSQL needs its driver: install linewatch with the extra 'postgres' "
            "and write the address as postgresql://"
        ) from exc


def _synchronous(address: URL) -> str:
    """`normal`: a machine without power loses its last commits; `full`: none, but slower."""
    found = address.query.get("synchronous", "normal")
    if found not in ("normal", "full"):
        raise DatabaseUnavailable(
            f"the database address says synchronous={found}: write synchronous=full, or leave it "
            "out"
        )
    return str(found)


def _set_sqlite_pragmas(synchronous: str, connection: DBAPIConnection, _record: Any) -> None:
    cursor = connection.cursor()
    # The timeout first: it holds for the change to WAL too.
    cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute(f"PRAGMA synchronous = {synchronous}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _set_postgresql_session(connection: DBAPIConnection, _record: Any) -> None:
    """Compile no query: for the quality page's it took longer than running them.

    PostgreSQL decides by cost, which it overrates where a row is looked up for each of many others.
    """
    cursor = connection.cursor()
    cursor.execute("SET jit = off")
    cursor.close()
    connection.commit()


def _translate(context: ExceptionContext) -> None:
    """Raise DatabaseUnavailable in place of a driver error that means it; keep all others."""
    if context.is_pre_ping:  # the pool sees for itself that a connection is gone, and makes another
        return
    error = context.original_exception
    advice = _advice(error, context)
    if advice is None:
        return
    address = describe(context.engine.url) if context.engine is not None else ""
    reason = " ".join(str(error).split())
    raise DatabaseUnavailable(f"the database {address} cannot be used: {reason}: {advice}")


def _advice(error: BaseException, context: ExceptionContext) -> str | None:
    sqlite_name: str | None = getattr(error, "sqlite_errorname", None)
    if sqlite_name is not None:
        primary = "_".join(sqlite_name.split("_")[:2])  # SQLITE_IOERR_WRITE is an SQLITE_IOERR
        return SQLITE_FAILURES.get(primary)
    if context.dialect.name != "postgresql":
        return None
    code: str = getattr(error, "sqlstate", None) or ""
    for length in (5, 3, 2):
        if code[:length] in POSTGRESQL_FAILURES:
            return POSTGRESQL_FAILURES[code[:length]]
    connecting = context.connection is None and type(error).__name__ == "OperationalError"
    if context.is_disconnect or connecting:
        return "check that the server runs, and the host, port, user and password"
    return None
