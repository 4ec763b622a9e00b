"""A folder some program writes images into: each finished image is sent, then moved to `done/`.

Moving is the record of what was sent. It needs no journal that could grow, break or disagree with
the folder, the operator sees it, and polling stays cheap because the folder stays small. Between
push and move a crash is possible, so a file's frame id is made from what identifies the file:
sent again after a restart, it is the same frame, and gets one verdict.

Polling, because network shares announce no changes of other hosts.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from ingest.encoding import media_type_of
from ingest.errors import SourceError
from ingest.sources.folder import check_folder, is_image_name
from ingest.sources.picture import Picture, part_id_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from threading import Event

log = structlog.get_logger()

DONE_FOLDER = "done"
#: An empty file has just been created, as a rule: it gets this many times longer to be written.
EMPTY_PATIENCE = 10


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells one state of a file from another."""

    size: int
    mtime_ns: int
    ctime_ns: int

    def frame_id(self, path: Path) -> UUID:
        """A UUIDv7 that is the same whenever this state of this file is seen."""
        text = f"{path.absolute()}\0{self.size}\0{self.mtime_ns}\0{self.ctime_ns}"
        digest = hashlib.blake2b(os.fsencode(text), digest_size=10).digest()
        milliseconds = min(max(self.mtime_ns // 1_000_000, 0), (1 << 48) - 1)
        value = milliseconds << 80 | int.from_bytes(digest)
        value = value & ~(0xF << 76) | 7 << 76  # version
        value = value & ~(0b11 << 62) | 0b10 << 62  # variant
        return UUID(int=value)


class WatchedFolder:
    """Images as they are finished: size and times unchanged for `settle_s`."""

    live = False
    resumes = True

    def __init__(self, folder: Path, *, settle_s: float = 1.0) -> None:
        check_folder(folder)
        self.label = str(folder)
        self._folder = folder
        self._done = folder / DONE_FOLDER
        self._settle_s = settle_s
        self._poll_s = min(settle_s / 4, 0.5)
        #: State and the time it was first seen, of every image in the folder.
        self._seen: dict[Path, tuple[FileState, float]] = {}
        #: Sent, but not yet moved.
        self._sent: dict[Path, FileState] = {}
        self._in_hand: tuple[Path, FileState] | None = None
        #: Files (or "" for the folder) whose problem is logged.
        self._problems: set[str] = set()
        self._make_done_folder()

    def _make_done_folder(self) -> None:
        try:
            self._done.mkdir(exist_ok=True)
        except OSError as exc:
            raise SourceError(
                f"cannot make {self._done}: {exc.strerror}. Sent images are moved there: "
                "make the folder writable for ingest"
            ) from exc
        if not (os.access(self._folder, os.W_OK) and os.access(self._done, os.W_OK)):
            raise SourceError(
                f"cannot write to {self._done}: sent images are moved there, "
                "make the folder writable for ingest"
            )

    def pictures(self, stop: Event) -> Generator[Picture, None, None]:
        """Finished images, oldest first, until `stop` is set."""
        while not stop.is_set():
            for path, state in self._finished():
                if stop.is_set():
                    return
                picture = self._read(path, state)
                if picture is not None:
                    self._in_hand = path, state
                    yield picture
            stop.wait(self._poll_s)

    def done(self, picture: Picture) -> None:
        """Move the latest image to `done/`."""
        if self._in_hand is not None:
            path, state = self._in_hand
            self._sent[path] = state
            self._in_hand = None
            self._move(path, state)

    def _finished(self) -> list[tuple[Path, FileState]]:
        now = time.monotonic()
        states = self._scan()
        self._seen = {
            path: self._seen[path]
            if path in self._seen and self._seen[path][0] == state
            else (state, now)
            for path, state in states.items()
        }
        finished = []
        for path, (state, since) in self._seen.items():
            patience = self._settle_s * (1 if state.size else EMPTY_PATIENCE)
            if self._sent.get(path) == state:
                self._move(path, state)
            elif now - since >= patience:
                finished.append((path, state))
        return sorted(finished, key=lambda item: (item[1].mtime_ns, item[0].name))

    def _scan(self) -> dict[Path, FileState]:
        try:
            with os.scandir(self._folder) as entries:
                names = {e.name for e in entries if is_image_name(e.name) and e.is_file()}
        except OSError as exc:
            self._complain("", exc)
            return {}
        self._problems = {p for p in self._problems if p.removeprefix(f"{DONE_FOLDER}/") in names}
        states = {}
        for path in (self._folder / name for name in names):
            try:
                # Not the entry's own stat: on some systems it is what the folder remembers.
                states[path] = state_of(path)
            except FileNotFoundError:
                continue
            except OSError as exc:
                self._complain(path.name, exc)
        self._sent = {path: state for path, state in self._sent.items() if path in states}
        return states

    def _read(self, path: Path, state: FileState) -> Picture | None:
        try:
            data = path.read_bytes()
            if state_of(path) != state:
                return None  # written to again: it settles anew
        except FileNotFoundError:
            return None
        except OSError as exc:
            self._complain(path.name, exc)
            return None
        self._problems.discard(path.name)
        return Picture(
            data,
            media_type_of(data, path.suffix),
            part_id_of(path),
            frame_id=state.frame_id(path),
        )

    def _move(self, path: Path, state: FileState) -> None:
        target = self._done / path.name
        if target.exists():
            target = self._done / f"{path.stem}.{state.frame_id(path).hex}{path.suffix}"
        try:
            self._done.mkdir(exist_ok=True)  # somebody may have tidied up
            path.rename(target)
        except OSError as exc:
            if not path.exists():
                self._sent.pop(path, None)
                return
            # It stays in `_sent`, so it is not sent again while this process lives.
            self._complain(f"{DONE_FOLDER}/{path.name}", exc)
            return
        self._problems.discard(f"{DONE_FOLDER}/{path.name}")
        self._sent.pop(path, None)

    def _complain(self, name: str, problem: OSError) -> None:
        """Log a problem once, until it is over; it is tried again with every poll."""
        if name not in self._problems:
            reason = problem.strerror or str(problem)
            log.warning("watched_folder_problem", folder=self.label, file=name, reason=reason)
            self._problems.add(name)


def state_of(path: Path) -> FileState:
    """The present state of a file."""
    stat = path.stat()
    return FileState(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
