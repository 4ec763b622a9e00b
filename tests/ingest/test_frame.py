"""The message format of a frame."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import MessageError
from ingest.frame import Frame, check_name, from_fields, to_fields


def as_received(frame: Frame) -> dict[bytes, bytes]:
    """The message as Redis gives it back: bytes for bytes."""
    flat = [item if isinstance(item, bytes) else item.encode() for item in to_fields(frame)]
    return dict(zip(flat[::2], flat[1::2], strict=True))


@pytest.fixture
def message() -> dict[bytes, bytes]:
    return as_received(Frame.capture("line-4", "top", 7, b"\x00\xff", "image/png", "P-1"))


IDS = st.none() | st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=128)


@given(image=st.binary(max_size=64), sequence=st.integers(0, 10**17), part_id=IDS, lot_id=IDS)
def test_a_frame_survives_the_way(
    image: bytes, sequence: int, part_id: str | None, lot_id: str | None
) -> None:
    frame = Frame.capture("line-4", "top", sequence, image, "image/jpeg", part_id, lot_id=lot_id)

    assert from_fields(as_received(frame)) == frame


def test_times_of_other_zones_become_utc(message: dict[bytes, bytes]) -> None:
    local = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    message[b"captured_at"] = local.isoformat().encode()

    assert from_fields(message).captured_at == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frame_id", b"7"),
        ("line", b"../etc"),
        ("line", b""),
        ("camera", b"a" * 65),
        ("camera", b"\xff"),
        ("captured_at", b"yesterday"),
        ("captured_at", b"2026-01-02T03:04:05"),
        ("captured_at", b"0001-01-01T00:00:00+23:00"),
        ("sequence", b"-1"),
        ("sequence", b"1e3"),
        ("sequence", b"9" * 19),
        ("sequence", "\u0663".encode()),
        ("media_type", b"text/html"),
        ("part_id", b"x" * 129),
        ("part_id", b"P\x001"),
        ("part_id", b"x" * 5000),
        ("lot_id", b"x" * 129),
        ("lot_id", b"L\x001"),
        ("uninspected", b"\xfe"),
    ],
)
def test_a_bad_field_is_named(message: dict[bytes, bytes], field: str, value: bytes) -> None:
    message[field.encode()] = value

    with pytest.raises(MessageError) as caught:
        from_fields(message)

    assert caught.value.field == field


@pytest.mark.parametrize(
    "field", ["frame_id", "line", "camera", "captured_at", "sequence", "media_type", "image"]
)
def test_a_missing_field_is_named(message: dict[bytes, bytes], field: str) -> None:
    del message[field.encode()]

    with pytest.raises(MessageError, match=f"'{field}' is missing"):
        from_fields(message)


@given(st.dictionaries(st.binary(max_size=12), st.binary(max_size=40)))
def test_no_message_whatever_raises_anything_else(fields: dict[bytes, bytes]) -> None:
    with pytest.raises(MessageError):
        from_fields(fields)


@pytest.mark.parametrize("name", ["a", "line-4", "A.b_c-9", "x" * 64])
def test_names_that_are_allowed(name: str) -> None:
    assert check_name("line", name) == name


@pytest.mark.parametrize("name", ["", ".", "-a", "a b", "a/b", "ä", "a:b", "x" * 65, "a\n"])
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(ValueError, match="use 1 to 64"):
        check_name("line", name)
