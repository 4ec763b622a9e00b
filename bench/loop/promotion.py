"""Promotion and rollback while frames keep coming, and what became of every single frame."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.results import percentile
from bench.store import FOLDER
from bench.system import LINE, System, system, workers
from db import shadow
from db.access import trusted
from db.line_settings import LineSettings, change_settings
from db.lines import get_line
from db.model_versions import activate, add_model_version, promote
from db.tables import Inspection, ModelVersion, Promotion, QuarantinedFrame, utc_now
from ingest.delivery import Delivery
from ingest.doorbell import Doorbell
from ingest.frame import Frame
from ingest.stream import FrameStream, FullPolicy
from models.artifact import manifest_sha256
from models.datasets import open_dataset
from models.images import decode
from models.scorer import load_scorer
from models.training import train
from workers.recording import verdict_of
from workers.retraining.gate import Budgets, compare
from workers.retraining.judging import Entrant, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from models.datasets import Sample
    from workers.retraining.gate import GateReport

    Tell = Callable[[str], None]

DATA = "elpv:mono"
#: Side of the pictures and of the models' input: what two cores carry at this rate.
SIDE = 128
RATE = 100.0
SECONDS, QUICK_SECONDS = 60.0, 12.0
PICTURES = 240
#: Seconds between two switches.
SWITCH_S, QUICK_SWITCH_S = 5.0, 2.0
SHADOW_FRAMES = 100
#: Each camera shows half of the frames.
CAMERAS = {"block": FullPolicy.BLOCK, "drop-oldest": FullPolicy.DROP_OLDEST}
#: A batch of another size is summed up in another order: scores differ in the last digits.
TOLERANCE = 1e-3
ENGINEER = trusted("bench")


@dataclass
class Books:
    """What was offered and done, by whom and when."""

    #: Picture of each frame.
    picture: dict[UUID, int] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    #: Version let score, and when that was committed.
    switches: list[tuple[int, datetime]] = field(default_factory=list)
    #: How long the cameras took.
    seconds: float = 0.0


def name_of(*, quick: bool, seed: int) -> str:
    """What the result is called."""
    return f"promotion-{seed}{'-quick' if quick else ''}"


def do(*, quick: bool, seed: int, tell: Tell) -> dict[str, Any]:
    """Offer frames, promote and roll back meanwhile, and account for everything."""
    seconds = QUICK_SECONDS if quick else SECONDS
    known = open_dataset(DATA).test
    samples = known[:PICTURES]
    # Of all: the first ones are hardly ever good, and the gate wants some of both.
    folders, report = _judged([_trained(seed + n, tell) for n in range(2)], known[::3])
    scorers = [load_scorer(folder, threads=1) for folder in folders]
    pictures = [_jpeg(sample.image()) for sample in samples]
    tell("scoring each picture with both models")
    reference = np.array(
        [[float(s.score([decode(p)]).image_scores[0]) for p in pictures] for s in scorers]
    )
    with system() as place:
        place.register(folders[0])
        _register_candidate(place, folders[1], report)
        with workers(place, 2):
            books = _offer(place, pictures, seconds, QUICK_SWITCH_S if quick else SWITCH_S, tell)
            stream = FrameStream(place.redis, LINE)
            _await_the_end(place, stream, books)
            dropped = sum(c.dropped for c in stream.status().cameras.values())
            latencies = stream.latencies_ms()
        return account(place, books, reference, dropped) | {
            "seed": seed,
            "latency_p50_ms": percentile(latencies, 0.5),
            "latency_p99_ms": percentile(latencies, 0.99),
        }


def _trained(seed: int, tell: Tell) -> Path:
    folder = FOLDER / "loop" / f"load-{SIDE}-{seed}"
    if not (folder / "manifest.json").exists():
        tell(f"training PatchCore at {SIDE} px, seed {seed}")
        size = {"input_height": SIDE, "input_width": SIDE}
        train(DATA, out=folder, seed=seed, settings=size, threads=1)
    return folder


def _jpeg(image: np.ndarray) -> bytes:
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def _register_candidate(place: System, folder: Path, report: GateReport) -> None:
    """Add the second model as a retraining does, and let it into the shadow."""
    manifest = json.loads((folder / "manifest.json").read_text())
    with Session(place.engine) as session, session.begin():
        line = get_line(session, LINE)
        settings = replace(
            LineSettings.of(line),
            shadow_frames=SHADOW_FRAMES,
            promotion=Promotion.PERSON.value,
        )
        change_settings(session, line, settings, actor=ENGINEER)
        version = add_model_version(
            session,
            line,
            artifact_path=str(folder),
            manifest=manifest,
            manifest_sha256=manifest_sha256(folder),
            actor=ENGINEER,
            gate=report.to_json(),
            has_passed_gate=report.has_passed,
        )
        shadow.start(session, line, version)


def _judged(folders: Sequence[Path], samples: Sequence[Sample]) -> tuple[list[Path], GateReport]:
    """Champion and candidate by the real gate; of two alike models the better is the candidate."""
    entrants = []
    for number, folder in enumerate(folders):
        scorer = load_scorer(folder, threads=1)
        thresholds = scorer.thresholds
        entrants.append(Entrant(number, scorer, thresholds.review, thresholds.reject))
    contenders = judge(samples, entrants, lambda *_: None)
    defects = [sample.defect if sample.is_anomalous else None for sample in samples]
    is_defect = np.array([one is not None for one in defects])
    escapes = [int(contender.passed[is_defect].sum()) for contender in contenders]
    order = sorted(range(2), key=lambda index: -escapes[index])
    champion, candidate = (replace(contenders[i], number=n) for n, i in enumerate(order, 1))
    report = compare(defects, champion, candidate, Budgets(false_rejects=1.0))
    return [folders[index] for index in order], report


def _offer(
    place: System, pictures: Sequence[bytes], seconds: float, switch_s: float, tell: Tell
) -> Books:
    """Show frames at a steady rate from two cameras, and switch versions meanwhile."""
    books, stop = Books(), Event()
    cameras = [
        Thread(target=_camera, args=(place, name, turn, pictures, seconds, books, stop))
        for turn, name in enumerate(CAMERAS)
    ]
    tell(f"offering {RATE:.0f} frames/s for {seconds:.0f} s")
    for camera in cameras:
        camera.start()
    stream = FrameStream(place.redis, LINE)
    try:
        while any(camera.is_alive() for camera in cameras) or stream.status().waiting:
            time.sleep(switch_s)
            _switch(place, books, tell)
    finally:
        stop.set()
        for camera in cameras:
            camera.join()
    return books


def _camera(
    place: System,
    name: str,
    turn: int,
    pictures: Sequence[bytes],
    seconds: float,
    books: Books,
    stop: Event,
) -> None:
    stream, doorbell = FrameStream(place.redis, LINE), Doorbell(place.redis)
    delivery = Delivery(stream, doorbell, name, CAMERAS[name], block_timeout_s=600)
    started = time.perf_counter() + turn / RATE
    for sequence in range(int(seconds * RATE / len(CAMERAS))):
        if stop.is_set():
            break
        time.sleep(max(0.0, started + sequence * len(CAMERAS) / RATE - time.perf_counter()))
        picture = (sequence * len(CAMERAS) + turn) % len(pictures)
        frame = Frame.capture(LINE, name, sequence, pictures[picture], "image/jpeg")
        books.picture[frame.frame_id] = picture
        books.outcomes[f"{name}: {delivery.deliver(frame, stop).value}"] += 1
    delivery.finish()
    books.seconds = max(books.seconds, time.perf_counter() - started)


def _switch(place: System, books: Books, tell: Tell) -> None:
    """Promote the candidate once its shadow is done, then roll back and promote in turns."""
    with Session(place.engine) as session:
        line = get_line(session, LINE)
        if line.shadow_model_version_id is not None:
            return
        active = session.get_one(ModelVersion, line.active_model_version_id).number
    with Session(place.engine) as session, session.begin():
        line = get_line(session, LINE)
        if active == 1:
            promote(session, line, 2, actor=ENGINEER)
        else:
            activate(session, line, 1, actor=ENGINEER)
    books.switches.append((3 - active, utc_now()))
    tell(f"version {3 - active} scores from now on")


def _await_the_end(place: System, stream: FrameStream, books: Books) -> None:
    """Wait until the stream is empty and every frame's row is there."""
    deadline = time.monotonic() + 600
    while True:
        status = stream.status()
        if not (status.waiting or status.pending):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{status.waiting} frames wait after ten minutes, of {books}")
        time.sleep(0.2)


def account(place: System, books: Books, reference: np.ndarray, dropped: int) -> dict[str, Any]:
    """Compare what the database has of every frame with what was offered.

    Args:
        place: the system.
        books: what was offered.
        reference: (versions, pictures) the score that each version gives each picture.
        dropped: how many frames the cameras' policy dropped, as the stream counted.
    """
    with Session(place.engine) as session:
        versions = {one.id: one for one in session.scalars(select(ModelVersion))}
        rows = list(session.scalars(select(Inspection).order_by(Inspection.recorded_at)))
        quarantined = len(list(session.scalars(select(QuarantinedFrame.id))))
        shadow_result = next(one.shadow for one in versions.values() if one.number == 2)
    scored = [row for row in rows if row.model_version_id is not None]
    frames = Counter(row.frame_id for row in rows)
    pairs = Counter((row.frame_id, row.model_version_id) for row in scored)
    foreign_score = foreign_verdict = indistinct = 0
    commits: defaultdict[object, set[int]] = defaultdict(set)
    for row in scored:
        version = versions[row.model_version_id]
        ours, others = _references(reference, version.number, books.picture[row.frame_id])
        foreign_score += not np.isclose(row.score, ours, rtol=TOLERANCE, atol=TOLERANCE)
        indistinct += bool(np.isclose(ours, others, rtol=TOLERANCE, atol=TOLERANCE))
        foreign_verdict += verdict_of(row.score, version).value != row.verdict
        commits[row.recorded_at].add(version.number)
    unknown = sum(frame not in books.picture for frame in frames)
    first, last = scored[0].recorded_at, scored[-1].recorded_at
    return {
        "rate": RATE,
        "seconds": books.seconds,
        "offered": len(books.picture),
        "outcomes": dict(books.outcomes),
        "rows": len(rows),
        "uninspected": len(rows) - len(scored),
        "dropped": dropped,
        "quarantined": quarantined,
        "lost": len(books.picture) - len(frames) - dropped - quarantined,
        "unknown": unknown,
        "twice_under_one": sum(count > 1 for count in pairs.values()),
        "under_both": sum(count > 1 for count in frames.values()),
        "by_version": dict(Counter(str(versions[r.model_version_id].number) for r in scored)),
        "foreign_score": int(foreign_score),
        "foreign_verdict": int(foreign_verdict),
        "indistinct": int(indistinct),
        "mixed_commits": sum(len(numbers) > 1 for numbers in commits.values()),
        "commits": len(commits),
        "carried": len(scored) / max((last - first).total_seconds(), 1e-9),
        "promotions": sum(number == 2 for number, _ in books.switches),
        "rollbacks": sum(number == 1 for number, _ in books.switches),
        "switch_s": _delays(books, scored, {v.id: v.number for v in versions.values()}),
        "shadow": shadow_result,
    }


def _references(reference: np.ndarray, number: int, picture: int) -> tuple[float, float]:
    """What this version gives the picture, and what the other one does."""
    return float(reference[number - 1, picture]), float(reference[2 - number, picture])


def _delays(books: Books, scored: Sequence[Inspection], number_of: dict[int, int]) -> list[float]:
    """For each switch the seconds until the last verdict of the version before it."""
    ends = [at for _, at in books.switches[1:]] + [utc_now() + timedelta(days=1)]
    found = []
    for (number, at), end in zip(books.switches, ends, strict=False):
        late = [
            (row.recorded_at - at).total_seconds()
            for row in scored
            if at <= row.recorded_at < end and number_of[row.model_version_id or 0] != number
        ]
        found.append(max(late, default=0.0))
    return found
