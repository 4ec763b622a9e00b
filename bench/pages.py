"""Time to every page of the dashboard with a million inspections in the database."""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, make_url, text

from bench import history
from bench.dashboard import chromium, served
from bench.history_of_models import EVENTS
from bench.page_reads import timed_reads
from bench.pictures import TilePictures
from bench.results import write_section
from bench.scenes import SCENES, USERS, WARM_UP, open_timed, play
from db import migrate
from db.engine import make_engine
from db.store import ImageStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser

INSPECTIONS = 1_000_000
ROUNDS = 3
WANTED_MS = 1000
PICTURES = 64
OPENED = "Users, loaded anew by the browser"
SHOWN = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def main(arguments: Sequence[str]) -> int:
    """Fill a database, walk through the pages, and write the section."""
    options = _parse(arguments)
    with _home(options.home) as home, _database(home, options) as url:
        _fill(url, home, options.inspections)
        presses = _walk(url, home, options.rounds)
        reads = timed_reads(url, options.rounds)
    kind = SHOWN[make_url(url).get_backend_name()]
    slowest = max(max(times) for times in presses.values())
    write_section(
        f"pages on {kind}",
        "From a press in the dashboard to the page painted, and the reading of its data alone.",
        f"{kind}, {options.inspections:,} inspections of {history.DAYS} days, {history.LINES} "
        f"lines with {history.CAMERAS} cameras each, {history.FLAGGED:.0%} flagged, 96 % of them "
        f"reviewed, {history.AUDITED:.0%} drawn for the audit, {EVENTS:,} audit events; "
        f"milliseconds, median and largest of {options.rounds} rounds, each on a dashboard just "
        "started whose modules are loaded and which has kept no answers; headless Chromium, "
        "dashboard and database on the same machine, files in the system's cache, load "
        f"{os.getloadavg()[0]:.1f}",
        f"{_table('from press to painted', presses)}\n\n{_table('its data alone', reads)}\n\n"
        f"The slowest press of all took {slowest:.0f} ms (wanted: below {WANTED_MS}).",
    )
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench pages", description=__doc__)
    parser.add_argument(
        "--postgresql", metavar="URL", help="a server to make a database on; without: SQLite"
    )
    parser.add_argument(
        "--home", type=Path, help="a folder to keep the database in, and find it in again"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--inspections", type=int, default=INSPECTIONS)
    return parser.parse_args(arguments)


@contextmanager
def _home(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="lw-bench-") as folder:
        yield Path(folder)


@contextmanager
def _database(home: Path, options: argparse.Namespace) -> Iterator[str]:
    """Its address; one on a server is dropped afterwards, unless a folder is kept."""
    name = f"linewatch_bench_{options.inspections}"
    if options.postgresql is None:
        yield f"sqlite:///{home / name}.db"
        return
    address = make_url(options.postgresql).set(drivername="postgresql+psycopg")
    server = create_engine(address, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        known = text("SELECT 1 FROM pg_database WHERE datname = :name")
        if connection.scalar(known, {"name": name}) is None:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield make_url(options.postgresql).set(database=name).render_as_string(hide_password=False)
        if options.home is None:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


def _fill(url: str, home: Path, inspections: int) -> None:
    """Unless it is filled already."""
    tiles = TilePictures(ImageStore(str(home / "store"), create=True))
    pictures = [tiles.put(number, 1.3) for number in range(PICTURES)]
    migrate.upgrade(url)
    engine = make_engine(url)
    with engine.connect() as connection:
        is_filled = connection.scalar(text("SELECT 1 FROM inspections LIMIT 1")) is not None
    if not is_filled:
        history.fill(engine, inspections, pictures)
    engine.dispose()


def _walk(url: str, home: Path, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every scene, by its name."""
    times: dict[str, list[float]] = {}
    with chromium() as browser:
        for _ in range(rounds):
            with served(home, url) as address:
                for name, took in _round(browser, address):
                    times.setdefault(name, []).append(took)
    return times


def _round(browser: Browser, address: str) -> Iterator[tuple[str, float]]:
    context = browser.new_context(viewport={"width": 1600, "height": 900}, timezone_id="UTC")
    for path, wanted in WARM_UP:
        page = context.new_page()
        open_timed(page, f"{address}/{path}", wanted)
        page.close()
    page = context.new_page()
    yield OPENED, open_timed(page, f"{address}/users", USERS)
    for scene in SCENES:
        yield scene.name, play(page, scene)
    context.close()


def _table(what: str, times: dict[str, list[float]]) -> str:
    rows = (f"| {name} | {median(each):.0f} | {max(each):.0f} |" for name, each in times.items())
    return "\n".join([f"| {what} | median | largest |", "|---|---|---|", *rows])
