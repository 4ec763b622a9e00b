"""Coverage-guided fuzzing of whatever takes bytes from outside: no crash, no hang, only our errors.

Seeds are the hostile corpus of the tests. Needs the extra `fuzz`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SECONDS = 120
#: One input may take so long, and so much memory.
LIMIT_S, LIMIT_MIB = 10, 2_048
MAX_BYTES = 20_000
#: Inputs that broke something stay here.
FOUND = Path(__file__).parent / ".runs" / "fuzz"
_FINAL = re.compile(r"stat::number_of_executed_units: +(\d+)")
_COVER = re.compile(r"cov: (\d+) ft: (\d+)")


class Target(NamedTuple):
    """What is fuzzed, and with which seeds it begins."""

    one: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]


def main(arguments: Sequence[str]) -> int:
    """Fuzz each target in a process of its own, and write the section."""
    parser = argparse.ArgumentParser("python -m bench fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each target")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if unknown := set(options.targets) - set(NAMES):
        parser.error(f"no target {min(unknown)!r}: choose of {', '.join(NAMES)}")
    if options.child:
        _fuzz(options.targets[0], options.seconds)
        return 0
    # Not above: what is imported before the fuzzer is not followed.
    from bench.comparison import markdown
    from bench.results import write_section

    rows = [_run(name, options.seconds) for name in options.targets or NAMES]
    write_section(
        "fuzz",
        "Inputs made by atheris (libFuzzer) that follows which code they reach, from the hostile "
        "corpus on. Anything raised but the error a caller expects counts as a failure, and so "
        f"does an input that takes more than {LIMIT_S} s or {LIMIT_MIB} MiB.",
        f"{options.seconds} s a target, one process, inputs of at most {MAX_BYTES:,} bytes",
        markdown(["target", "inputs", "inputs/s", "edges", "features", "failures"], rows),
    )
    return int(any(row[-1] != "0" for row in rows))


def _run(name: str, seconds: int) -> list[str]:
    FOUND.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "bench", "fuzz", "--child", name, "--seconds", str(seconds)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, errors="replace")
    made, covers = _FINAL.search(done.stderr), _COVER.findall(done.stderr)
    inputs = int(made[1]) if made else 0
    edges, features = covers[-1] if covers else ("0", "0")
    failed = done.returncode != 0 or not inputs
    if failed:
        print(done.stderr[-4_000:])
    print(name, inputs, edges, features, "failed" if failed else "", flush=True)
    return [name, f"{inputs:,}", f"{inputs / seconds:,.0f}", edges, features, str(int(failed))]


def _fuzz(name: str, seconds: int) -> None:
    """Never returns: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(
        include=["models", "ingest", "db", "linewatch", "workers", "tarfile", "tomllib", "json"]
    ):
        target = _TARGETS[name]()
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds()):
            if len(seed) <= MAX_BYTES:
                Path(folder, str(number)).write_bytes(seed)
        atheris.Setup(
            [
                "fuzz", folder, f"-max_total_time={seconds}", f"-timeout={LIMIT_S}",
                f"-rss_limit_mb={LIMIT_MIB}", f"-max_len={MAX_BYTES}", "-print_final_stats=1",
                f"-artifact_prefix={FOUND}/{name}-",
            ],
            target.one,
        )  # fmt: skip
        atheris.Fuzz()


def _picture() -> Target:
    from models.errors import ImageError
    from models.images import decode
    from tests.hostile.pictures import pictures

    def one(data: bytes) -> None:
        try:
            pixels = decode(data, max_pixels=1_000_000)
        except ImageError:
            return
        assert pixels.ndim == 3
        assert pixels.size <= 3_000_000

    return Target(one, lambda: (case.data for case in pictures()))


def _mask() -> Target:
    from db.errors import BadMask
    from db.masks import encode_mask, read_mask
    from tests.hostile.pictures import pictures

    def one(data: bytes) -> None:
        try:
            read_mask(data, height_px=21, width_px=34)
        except BadMask:
            return

    def seeds() -> Iterator[bytes]:
        import numpy as np

        yield encode_mask(np.eye(21, 34, dtype=bool))
        yield from (case.data for case in pictures())

    return Target(one, seeds)


def _message() -> Target:
    from ingest.errors import MessageError
    from ingest.frame import from_fields, to_fields
    from tests.hostile.messages import messages

    def one(data: bytes) -> None:
        parts = data.split(b"\x1e")
        fields = dict(zip(parts[::2], parts[1::2], strict=False))
        try:
            frame = from_fields(fields)
        except MessageError:
            return
        said = iter(to_fields(frame))
        again = {str(name).encode(): value for name, value in zip(said, said, strict=True)}
        plain = {k: v.encode() if isinstance(v, str) else v for k, v in again.items()}
        assert from_fields(plain) == frame

    def seeds() -> Iterator[bytes]:
        for case in messages():
            yield b"\x1e".join(part for field in case.fields.items() for part in field)

    return Target(one, seeds)


def _manifest() -> Target:
    import json
    from hashlib import sha256

    from models.artifact import MANIFEST_FILE, MANIFEST_HASH_FILE, verify
    from models.errors import ArtifactError
    from tests.models.test_artifact import MANIFEST

    folder = Path(tempfile.mkdtemp())

    def one(data: bytes) -> None:
        (folder / MANIFEST_FILE).write_bytes(data)
        (folder / MANIFEST_HASH_FILE).write_text(sha256(data).hexdigest())
        try:
            verify(folder)
        except ArtifactError:
            return

    return Target(one, lambda: iter([json.dumps(MANIFEST.to_json()).encode(), b"{}"]))


def _settings() -> Target:
    from linewatch.errors import SettingsError
    from linewatch.loading import load_settings
    from tests.hostile.test_files import SETTINGS

    file = Path(tempfile.mkdtemp()) / "linewatch.toml"

    def one(data: bytes) -> None:
        file.write_bytes(data)
        try:
            load_settings(config=file)
        except SettingsError:
            return

    return Target(one, lambda: (text.encode() for text in SETTINGS))


def _backup() -> Target:
    import io

    from linewatch.backup.archive import ArchiveReader, ArchiveWriter
    from linewatch.errors import BackupError

    file = Path(tempfile.mkdtemp()) / "backup.tar"

    def one(data: bytes) -> None:
        file.write_bytes(data)
        try:
            ArchiveReader(file)
        except BackupError:
            return

    def seeds() -> Iterator[bytes]:
        out = io.BytesIO()
        archive = ArchiveWriter(out, revision="0001", version="1")
        archive.add_table("lines", [{"id": 1, "name": "a"}], io.BytesIO())
        archive.finish()
        yield out.getvalue()

    return Target(one, seeds)


def _job() -> Target:
    import json
    import zlib

    from redis import Redis
    from rq.job import Job
    from rq.serializers import JSONSerializer

    from workers.errors import JobNotAllowedError
    from workers.jobs import ALLOWED_JOBS
    from workers.rq_worker import AllowListedJob

    nowhere = Redis()  # nothing here asks it
    expected = (JobNotAllowedError, ValueError, TypeError, KeyError)

    def one(data: bytes) -> None:
        job = AllowListedJob("one", connection=nowhere, serializer=JSONSerializer)
        try:
            job.restore({"created_at": "2026-03-02T10:00:00.000000Z", "data": zlib.compress(data)})
            function = job.func
        except (*expected, *_rq_errors()):
            return
        assert function in ALLOWED_JOBS.values()

    def seeds() -> Iterator[bytes]:
        for name in (*ALLOWED_JOBS, "os.system"):
            yield json.dumps([name, None, ["line-4"], {}]).encode()

    assert issubclass(AllowListedJob, Job)
    return Target(one, seeds)


def _rq_errors() -> tuple[type[Exception], ...]:
    from rq.exceptions import DeserializationError

    return (DeserializationError,)


_TARGETS: dict[str, Callable[[], Target]] = {
    "picture": _picture,
    "mask": _mask,
    "message": _message,
    "manifest": _manifest,
    "settings": _settings,
    "backup": _backup,
    "job": _job,
}
NAMES = tuple(_TARGETS)
