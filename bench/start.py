"""Time from starting a command to what a person or a line waits for: help, a verdict, a page."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from bench import history, scenes
from bench.dashboard import chromium, launched, wait_for
from bench.model import trained
from bench.pictures import DATA, TilePictures
from bench.results import write
from bench.system import LINE, system
from db import migrate, users
from db.access import trusted
from db.engine import make_engine
from db.store import ImageStore
from db.tables import Role
from ingest.doorbell import Doorbell
from ingest.frame import Frame
from ingest.stream import FrameStream, FullPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext

    from bench.system import System

STARTS = 5
INSPECTIONS = 20_000
NAME, PASSWORD = "anna", "correct horse battery"


def main() -> None:
    """Start each of them several times, one after the other."""
    model = trained(data=str(DATA), name="tiles")
    helps = [_help_s() for _ in range(2 * STARTS)]
    ready, first = zip(*(_worker_s(model) for _ in range(STARTS)), strict=True)
    with tempfile.TemporaryDirectory(prefix="lw-bench-") as folder:
        logins, pages = zip(*_dashboard_s(Path(folder)), strict=True)
    write(
        "start",
        "From the start of a process to what is waited for, files in the system's cache.",
        f"median and largest of {STARTS} starts ({len(helps)} of `--help`); worker: PatchCore fast "
        "(tf_efficientnet_lite0, 256 px, seed 0) on magnetic tiles, embedded Valkey, SQLite; "
        f"dashboard: SQLite with {INSPECTIONS:,} inspections of twelve cameras, from the start of "
        "`linewatch dashboard` to the page painted in a Chromium that runs already, load "
        f"{os.getloadavg()[0]:.1f}",
        {
            "`linewatch --help`": _told(helps, 0.3),
            "worker ready, its model loaded": _told(ready, 6.0),
            "from there, first frame pushed to its verdict committed": _told(first),
            "log-in page painted": _told(logins, 2.0),
            "Live painted, of somebody logged in before": _told(pages, 2.0),
        },
    )


def _told(times: tuple[float, ...] | list[float], wanted_s: float | None = None) -> str:
    goal = "" if wanted_s is None else f" (wanted: below {wanted_s:g} s)"
    return f"{median(times):.2f} s, {max(times):.2f} s at most{goal}"


def _help_s() -> float:
    began = time.perf_counter()
    command = [sys.executable, "-m", "linewatch", "--help"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def _worker_s(model: Path) -> tuple[float, float]:
    """Seconds until a worker waits for frames, and from a frame to its verdict then."""
    with system() as place:
        place.register(model)
        began = time.perf_counter()
        worker = _started_worker(place)
        try:
            # It is registered once its models are warm.
            while not place.redis.scard("rq:workers"):
                if worker.poll() is not None or time.perf_counter() > began + 60:
                    raise RuntimeError((place.home / "worker.log").read_text()[-2000:])
                time.sleep(0.005)
            ready = time.perf_counter()
            _push(place)
            return ready - began, place.wait_for_rows(1, 30) - ready
        finally:
            worker.terminate()
            worker.wait(30)


def _started_worker(place: System) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "LINEWATCH_HOME": str(place.home),
        "LINEWATCH_REDIS_URL": place.redis_url,
        "LINEWATCH_DATABASE_URL": place.database_url,
        "LINEWATCH_STORE_URL": place.store_url,
    }
    command = [sys.executable, "-m", "linewatch", "worker"]
    with (place.home / "worker.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, cwd=place.home, stdout=log, stderr=log)


def _push(place: System) -> None:
    file = sorted((DATA / "train" / "good").iterdir())[0]
    frame = Frame.capture(LINE, "camera", 0, file.read_bytes(), "image/jpeg")
    if FrameStream(place.redis, LINE).push(frame, FullPolicy.BLOCK).ring:
        Doorbell(place.redis).call_worker(LINE)


def _dashboard_s(home: Path) -> Iterator[tuple[float, float]]:
    """Seconds to the log-in page, and to Live for whoever is logged in."""
    url = f"sqlite:///{home / 'linewatch.db'}"
    migrate.upgrade(url)
    store = ImageStore(str(home / "store"), create=True)
    tiles = TilePictures(store)
    engine = make_engine(url)
    history.fill(engine, INSPECTIONS, [tiles.put(number, 1.3) for number in range(32)])
    with Session(engine) as session, session.begin():
        users.add_user(session, NAME, Role.ADMIN, password=PASSWORD, actor=trusted("bench"))
    engine.dispose()
    with chromium() as browser:
        for _ in range(STARTS):
            context = browser.new_context(viewport={"width": 1600, "height": 900})
            to_login = _first_page_s(home, context, ".st-key-log-in input", log_in=True)
            yield to_login, _first_page_s(home, context, scenes.LIVE)
            context.close()


def _first_page_s(
    home: Path, context: BrowserContext, wanted: str, *, log_in: bool = False
) -> float:
    """Seconds from the start of the dashboard to its first page."""
    began = time.perf_counter()
    with launched(home, login="local") as (address, server):
        page = context.new_page()
        wait_for(address, server)
        scenes.open_timed(page, address, wanted)
        took = time.perf_counter() - began
        if log_in:
            page.get_by_label("Name").fill(NAME)
            page.get_by_label("Password").first.fill(PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_selector(scenes.LIVE)
            page.wait_for_function("document.querySelector('.lw-refreshed')")
            page.wait_for_timeout(1_000)
        page.close()
    return took
