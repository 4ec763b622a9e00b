"""The most telling faults of `python -m bench faults`, in small."""

from __future__ import annotations

import pytest

from bench.faults import scenarios
from bench.faults.command import run

pytestmark = pytest.mark.slow

RATE = 150.0


@pytest.mark.parametrize(
    ("name", "frames"), [("redis_set_back", 1_200), ("power_cut_postgresql", 900)]
)
def test_every_frame_is_accounted_for(
    monkeypatch: pytest.MonkeyPatch, name: str, frames: int
) -> None:
    monkeypatch.setattr(scenarios, "TIMES", 2)
    monkeypatch.setattr(scenarios, "CUTS", 1)

    place, found = run(name, frames, RATE)

    assert sum(place.counts.values()) >= 1
    assert found.made >= frames
    assert found.is_whole, found
