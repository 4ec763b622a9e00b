"""Stream entries nobody should push, each with the field at fault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

GOOD = {
    b"frame_id": b"01890a5d-ac96-774b-bcce-b302099a8057",
    b"line": b"line-4",
    b"camera": b"c1",
    b"captured_at": b"2026-03-02T10:00:00+00:00",
    b"sequence": b"7",
    b"media_type": b"image/png",
    b"image": b"\x89PNG\r\n\x1a\n",
}
REQUIRED = tuple(GOOD)
TEXTS = tuple(field for field in GOOD if field != b"image")
#: Paths, markup and control characters, where a name stands.
TRICKS = (
    b"../../etc/passwd", b"..", ".\u202e".encode(), b"/abs", b"a/b", b"a\\b", b"a:b", b"a*", b"a b",
    b" ", b"", b"-rf", b".hidden", b"a\nb", b"a\r\nSET x 1", b"a\x1b[2J", b"$(id)", b"`id`",
    b"';DROP TABLE lines;--", b"<script>", "naïve".encode(), "線".encode(), b"{}", b"%s", b"\x7f",
    b"a" * 65,
)  # fmt: skip


class Message(NamedTuple):
    """One case."""

    name: str
    fields: dict[bytes, bytes]
    #: The field that must be named; None: it is read.
    fault: str | None


def messages(now: datetime | None = None) -> list[Message]:
    """All of them."""
    now = now or datetime.now(UTC)
    found = [Message("good", GOOD, None)]

    def bad(field: bytes, value: bytes, why: str) -> None:
        name = f"{field.decode()} {why}"
        found.append(Message(name, {**GOOD, field: value}, field.decode()))

    for field in REQUIRED:
        without = {name: value for name, value in GOOD.items() if name != field}
        found.append(Message(f"without {field.decode()}", without, field.decode()))
    for field in (*TEXTS, b"part_id", b"lot_id", b"uninspected"):
        bad(field, b"\xff\xfe", "is not UTF-8")
        bad(field, b"a\0b", "has a zero byte")
        bad(field, b"a" * 513, "is too long")
        bad(field, b"a" * 1_000_000, "is a megabyte")
    for field in (b"part_id", b"lot_id"):
        bad(field, b"a" * 129, "has 129 characters")
        bad(field, "ä".encode() * 129, "has 129 letters")
    for field in (b"line", b"camera"):
        for trick in TRICKS:
            bad(field, trick, f"is {trick[:24]!r}")
    for value in (
        b"", b"7", b"nonsense", b"{}", b"01890a5d-ac96-774b-bcce-b302099a80577", b"0x10", b" " * 36,
        b"zzzzzzzz-ac96-774b-bcce-b302099a8057",
    ):  # fmt: skip
        bad(b"frame_id", value, f"is {value!r}")
    for value in (
        b"", b"now", b"0", b"1740909600", b"2026-03-02", b"2026-03-02T10:00:00", b"-1",
        b"2026-13-02T10:00Z", b"2026-02-30T10:00:00Z", b"24:00", b"9999-12-31T23:59:59-23:59",
        b"inf", b"NaN",
        b"0001-01-01T00:00:00+14:00", b"2026-03-02T25:00:00Z", b"2026-03-02T10:00:00+99:00",
        b"9999-01-01T00:00:00+00:00",
    ):  # fmt: skip
        bad(b"captured_at", value, f"is {value!r}")
    bad(b"captured_at", (now + timedelta(days=2)).isoformat().encode(), "lies two days ahead")
    for value in (
        b"", b"-1", b"1.5", b"1e9", b"0x1", b" 1", b"1 ", b"+1", b"NaN", b"9" * 19, "٣".encode(),
        b"1_000", b"True", b"[]",
    ):  # fmt: skip
        bad(b"sequence", value, f"is {value!r}")
    for value in (
        b"", b"image", b"image/gif", b"IMAGE/PNG", b"image/png; charset=x", b"text/html", b"../x",
        b"image/svg+xml", b"application/octet-stream",
    ):  # fmt: skip
        bad(b"media_type", value, f"is {value!r}")
    soon = (now + timedelta(hours=1)).isoformat().encode()
    for name, changes in {
        "a clock an hour ahead": {b"captured_at": soon},
        "an old frame": {b"captured_at": b"1999-01-01T00:00:00+00:00"},
        "more fields": {b"extra": b"\xff" * 100, b"__class__": b"os.system", b"": b""},
        "an id in capitals": {b"frame_id": GOOD[b"frame_id"].upper()},
        "an id without dashes": {b"frame_id": UUID(GOOD[b"frame_id"].decode()).hex.encode()},
        "a part of 128 characters": {b"part_id": b"p" * 128},
        "markup in a part": {b"part_id": b"<script>alert(1)</script>"},
        "no picture at all": {b"image": b""},
        "no part": {b"part_id": b"", b"lot_id": b""},
    }.items():
        found.append(Message(name, {**GOOD, **changes}, None))
    return found
