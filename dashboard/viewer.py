"""Where the viewer is in time: dates and days are those of the browser."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def zone() -> tzinfo:
    """The browser's time zone; the server's where the browser does not tell a known one."""
    name = st.context.timezone
    if name:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            pass
    return datetime.now().astimezone().tzinfo or UTC


def midnight(now: datetime, where: tzinfo) -> datetime:
    """The beginning of the viewer's day, in UTC."""
    return now.astimezone(where).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
