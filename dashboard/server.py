"""What `linewatch dashboard` serves: the pages, and the route that keeps a log-in in a cookie."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route
from streamlit.starlette import App

from dashboard.tickets import COOKIE, HEADER, ROUTE, redeem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

MAX_TICKET_BYTES = 256
#: What the first page needs, in its order.
FIRST_NEEDED = (
    "numpy",
    "dashboard.login",
    "dashboard.account",
    "dashboard.deciding",
    "dashboard.wall",
)


async def keep_session(request: Request) -> Response:
    """Answer a ticket with the cookie; it goes when the browser is closed.

    No script can read it, and the browser sends it from our own pages only.
    """
    if HEADER not in request.headers:
        return Response("the request comes from no page of ours", status_code=403)
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > MAX_TICKET_BYTES:
        return Response("a ticket was expected", status_code=413)
    token = redeem((await request.body()).decode("ascii", "replace"))
    if token is None:
        return Response("the ticket is not valid any more: log in again", status_code=403)
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE, token, httponly=True, samesite="strict", secure=_is_encrypted(request), path="/"
    )
    return response


def _is_encrypted(request: Request) -> bool:
    """Whether the browser speaks TLS, with us or with a proxy before us."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))


@asynccontextmanager
async def warming_up(_: App) -> AsyncIterator[None]:
    """Load what the first page needs while the first browser still loads its scripts."""
    Thread(target=lambda: [import_module(name) for name in FIRST_NEEDED], daemon=True).start()
    yield


app = App("app.py", lifespan=warming_up, routes=[Route(ROUTE, keep_session, methods=["POST"])])
