"""How logs are written: one event name plus fields, for people or for machines, on stderr.

As JSON, a line says which process wrote it, and everything is such a line: what libraries log, the
errors that end a process, and those nobody expected. Passwords are hidden in either form, also in
tracebacks, which show no variables.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import structlog

from linewatch.secrets import HIDDEN, without_passwords

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from structlog.typing import EventDict, Processor, WrappedLogger

#: One line per job and per HTTP request says nothing that our own events do not.
CHATTY = ("rq", "rq.worker", "alembic", "urllib3", "httpx", "fsspec", "faiss.loader")
#: Shorter ones would hide parts of ordinary words.
SHORTEST_SECRET = 4


def configure_logging(
    log_format: str,
    log_level: str,
    file: Path | None = None,
    *,
    process: str = "",
    secrets: Sequence[str] = (),
) -> None:
    """Send our logs and those of the libraries to stderr or a file, as `console` or `json`.

    Args:
        log_format: console or json.
        log_level: the least important level that is written.
        file: None: stderr.
        process: what this process is, such as `worker`.
        secrets: texts that no line may hold, whoever writes them.
    """
    as_json = log_format == "json"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        shared.append(_naming(process))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    last = _json_lines(secrets) if as_json else _console_lines(file, secrets)
    handler = logging.FileHandler(file) if file else logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=log_level.upper(), force=True)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if as_json:
        logging.captureWarnings(True)
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_uncaught_in_thread


def is_json() -> bool:
    """Whether logs of this process are for machines."""
    return sys.excepthook is _log_uncaught


def take_over_streamlit() -> None:
    """Let Streamlit, and the server it runs, write through our handler instead of their own."""
    from streamlit import logger as theirs
    from uvicorn.config import LOGGING_CONFIG

    def pass_on(logger: logging.Logger) -> None:
        own = getattr(logger, "streamlit_console_handler", None)
        if own is not None:
            logger.removeHandler(own)
        logger.propagate = True

    # What it calls for each of its loggers, those that it makes later included.
    theirs.setup_formatter = pass_on
    theirs.update_formatter()
    # What the server gives its loggers when it starts: handlers, and lines for start and end.
    LOGGING_CONFIG["handlers"] = {}
    LOGGING_CONFIG["loggers"] = {"uvicorn": {"level": "WARNING", "propagate": True}}


def log_failure(reason: str) -> None:
    """Say why this process ends, as a line like all others."""
    structlog.get_logger("linewatch").critical("command.failed", reason=reason)


def _json_lines(secrets: Sequence[str]) -> list[Processor]:
    return [
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _hiding(secrets),
        structlog.processors.JSONRenderer(),
    ]


def _console_lines(file: Path | None, secrets: Sequence[str]) -> list[Processor]:
    # A plain traceback: with `rich` installed, the default one shows every variable.
    renderer = structlog.dev.ConsoleRenderer(
        colors=file is None and sys.stderr.isatty(),
        exception_formatter=structlog.dev.plain_traceback,
    )

    def render(logger: WrappedLogger, name: str, event: EventDict) -> str:
        return str(_hidden(renderer(logger, name, event), secrets))

    return [render]


def _naming(process: str) -> Processor:
    def name(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["process"], event["pid"] = process, os.getpid()
        return event

    return name


def _hiding(secrets: Sequence[str]) -> Processor:
    def hide(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {key: _hidden(value, secrets) for key, value in event.items()}

    return hide


def _hidden(value: Any, secrets: Sequence[str]) -> Any:
    """`value` as JSON knows it, without passwords."""
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, list | tuple):
        return [_hidden(one, secrets) for one in value]
    if isinstance(value, dict):
        return {str(key): _hidden(one, secrets) for key, one in value.items()}
    text = str(value)
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    return without_passwords(text)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """In the place of Python's own traceback, which would be many lines."""
    structlog.get_logger("linewatch").critical("uncaught", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
