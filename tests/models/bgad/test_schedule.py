"""The learning rate against the published values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.bgad.parameters import PRESETS
from models.bgad.schedule import learning_rate

PAPER = PRESETS["paper"]


def test_it_warms_up_in_a_straight_line_to_the_cosine() -> None:
    # From 2e-5 to 1.9686e-4 in 2 * 8 passes of 10 batches: half way after 8 passes.
    assert learning_rate(PAPER, 0, 0, 0, 10) == pytest.approx(2e-5)
    assert learning_rate(PAPER, 1, 0, 0, 10) == pytest.approx((2e-5 + 1.9686e-4) / 2, rel=1e-4)
    last = learning_rate(PAPER, 1, 7, 9, 10)
    assert last == pytest.approx(2e-5 + 159 / 160 * (1.9686e-4 - 2e-5), rel=1e-4)


def test_then_it_falls_by_meta_epoch() -> None:
    assert learning_rate(PAPER, 2, 0, 0, 10) == pytest.approx(1.9686e-4, rel=1e-4)
    assert learning_rate(PAPER, 2, 7, 9, 10) == learning_rate(PAPER, 2, 0, 0, 10)
    # cos(pi 12.5 / 25) = 0 lies between epochs 12 and 13.
    middle = (learning_rate(PAPER, 12, 0, 0, 1) + learning_rate(PAPER, 13, 0, 0, 1)) / 2
    assert middle == pytest.approx((2e-4 + 2e-7) / 2)
    # eta + (lr - eta) (1 + cos(pi 24 / 25)) / 2 = 2e-7 + 1.998e-4 * 0.0039426.
    assert learning_rate(PAPER, 24, 0, 0, 1) == pytest.approx(9.877e-7, rel=1e-3)


def test_the_released_code_counts_two_batches_a_pass() -> None:
    saw = replace(PAPER, warm_up="saw_tooth")

    def share(*place: int) -> float:
        return (learning_rate(saw, *place, 10) - 2e-5) / (1.9686e-4 - 2e-5)

    # p = (i + 2 sub + 16 epoch) / 32.
    assert share(0, 3, 9) == pytest.approx(15 / 32, rel=1e-3)
    assert share(0, 4, 0) == pytest.approx(8 / 32, rel=1e-3)
    assert share(1, 7, 9) == pytest.approx(39 / 32, rel=1e-3)


def test_without_warming_up_it_starts_at_the_cosine() -> None:
    assert learning_rate(replace(PAPER, warm_up_epochs=0), 0, 0, 0, 10) == pytest.approx(2e-4)
