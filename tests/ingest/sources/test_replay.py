"""Replay: encoded bytes pass as they are."""

from __future__ import annotations

from itertools import islice
from threading import Event

import pytest

from ingest.sources.replay import Replay

ENCODED = [(b"1", "image/png", "part-1"), (b"2", "image/jpeg", None)]


def test_pictures_pass_as_they_are_once() -> None:
    pictures = list(Replay(ENCODED).pictures(Event()))

    assert [(p.content, p.media_type, p.part_id) for p in pictures] == ENCODED


def test_repeating_goes_on_for_ever() -> None:
    pictures = islice(Replay(ENCODED, repeat=True).pictures(Event()), 5)

    assert [p.content for p in pictures] == [b"1", b"2", b"1", b"2", b"1"]


def test_stop_ends_a_repeating_replay() -> None:
    stop = Event()
    pictures = Replay(ENCODED, repeat=True).pictures(stop)
    next(pictures)

    stop.set()

    assert list(pictures) == []


def test_an_iterator_cannot_be_repeated() -> None:
    with pytest.raises(ValueError, match="give a list to repeat"):
        Replay(iter(ENCODED), repeat=True)


def test_repeating_nothing_ends() -> None:
    assert list(Replay([], repeat=True).pictures(Event())) == []
