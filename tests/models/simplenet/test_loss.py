"""SimpleNet's truncated loss, by hand."""

from __future__ import annotations

import pytest
import torch

from models.simplenet.loss import truncated_l1


def test_patches_beyond_the_margin_cost_nothing() -> None:
    # Good ones lack max(0, 0.5 - x):    0 (0.7), 0 (0.5), 0.3 (0.2), 0.9 (-0.4); mean 0.3.
    # Others have too much, max(0, 0.5 + x): 0 (-1.0), 0.4 (-0.1), 0.8 (0.3); mean 0.4.
    real = torch.tensor([0.7, 0.5, 0.2, -0.4])
    fake = torch.tensor([-1.0, -0.1, 0.3])

    assert truncated_l1(real, fake, 0.5).item() == pytest.approx(0.3 + 0.4)


def test_only_patches_within_the_margin_are_pushed() -> None:
    real = torch.tensor([0.7, 0.2], requires_grad=True)
    fake = torch.tensor([-1.0, 0.3], requires_grad=True)

    truncated_l1(real, fake, 0.5).backward()

    # Each is one of two: its share of the mean is 1/2.
    assert real.grad is not None
    assert fake.grad is not None
    assert real.grad.tolist() == [0.0, -0.5]
    assert fake.grad.tolist() == [0.0, 0.5]
