"""The pages' way to the database and the image store, and what they say when there is none.

`linewatch dashboard` names both in the environment, because Streamlit passes no arguments on.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import streamlit as st
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from dashboard.markup import notice
from db.engine import make_engine
from db.errors import DatabaseUnavailable, DbError, SchemaOutdated
from db.revision import check
from db.store import ImageStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

log = structlog.get_logger()

DATABASE_VARIABLE = "LINEWATCH_DATABASE_URL"
STORE_VARIABLE = "LINEWATCH_STORE_URL"


class NotConfigured(DbError):
    """Raised when a variable the dashboard is configured by is missing."""

    def __init__(self, variable: str) -> None:
        super().__init__(
            f"{variable} is not set: start the dashboard with `linewatch dashboard`, which sets it"
        )
        self.variable = variable


@st.cache_resource(show_spinner=False)
def engine() -> Engine:
    """The engine all sessions share; its schema has been checked."""
    made = make_engine(_required(DATABASE_VARIABLE))
    check(made)
    return made


@st.cache_resource(show_spinner=False)
def store() -> ImageStore:
    """The image store all sessions share."""
    return ImageStore(_required(STORE_VARIABLE))


def session() -> Session:
    """A database session for one page run; use it as a context manager."""
    return Session(engine())


def _required(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise NotConfigured(variable)
    return value


@contextmanager
def explained() -> Iterator[None]:
    """Show a calm message in place of the page if the database cannot be used.

    A page that refreshes itself comes back by itself once the database is there again.
    """
    try:
        yield
    except NotConfigured as error:
        _show("The dashboard is not configured", error)
    except SchemaOutdated as error:
        _show("The database needs an update", error)
    except DatabaseUnavailable as error:
        _show("The database cannot be reached", error)
    except DBAPIError as error:
        log.warning("database_failed", exc_info=True)
        _show("The database cannot be used right now", error.orig or error)
    except DbError as error:
        _show("The page cannot be shown", error)


def _show(title: str, error: BaseException) -> None:
    """The message, with what the error says to do."""
    st.html(notice(title, str(error)))
