"""BGAD's losses on numbers worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from models.bgad.loss import (
    abnormal_weight,
    bgad_loss,
    explicit_boundary,
    likelihood_loss,
    normal_weight,
    semi_push_pull,
)
from models.bgad.parameters import PRESETS

PAPER = PRESETS["paper"]
#: Log-likelihoods per dimension of five normal positions, and of two abnormal ones.
NORMAL = torch.tensor([-9.0, -2.0, -1.0, -4.0, 1.0])
ABNORMAL = torch.tensor([-3.5, -20.0])


def test_the_boundary_is_the_quantile_of_the_normal() -> None:
    boundary = explicit_boundary(NORMAL, quantile=0.3, margin=0.1, normalizer=10)

    # Ascending: -9, -4, -2, -1, 1. Place floor(5 * 0.3) = 1 holds -4; over 10, and 0.1 below.
    assert boundary.normal.item() == pytest.approx(-0.4)
    assert boundary.abnormal.item() == pytest.approx(-0.5)


@pytest.mark.parametrize(("violators", "pull"), [("mean", 0.25), ("sum", 0.5)])
def test_only_violators_are_pulled_and_pushed(violators: str, pull: float) -> None:
    loss = semi_push_pull(
        NORMAL,
        ABNORMAL,
        explicit_boundary(NORMAL, quantile=0.3, margin=0.1, normalizer=10),
        normalizer=10,
        focal=False,
        violators=violators,
    )

    # u of the normals: -0.9, -0.2, -0.1, -0.4, 0.1. At or below -0.4 are -0.9, by 0.5, and -0.4
    # itself, by 0: mean 0.25, sum 0.5. u of the abnormals: -0.35 and -2. At or above -0.5 is -0.35
    # alone, by 0.15.
    assert loss.item() == pytest.approx(pull + 0.15)


def test_hard_violators_weigh_more() -> None:
    loss = semi_push_pull(
        NORMAL,
        ABNORMAL,
        explicit_boundary(NORMAL, quantile=0.3, margin=0.1, normalizer=10),
        normalizer=10,
        focal=True,
        violators="sum",
    )

    # Normal, u = -0.9: 11.7 (1 - e^-0.9)^0.5 * 0.9. Abnormal, u = -0.35: 0.53 (1 + e^-0.35)^2 /
    # 0.35.
    pulled = 11.7 * math.sqrt(1 - math.exp(-0.9)) * 0.9
    pushed = 0.53 * (1 + math.exp(-0.35)) ** 2 / 0.35
    assert loss.item() == pytest.approx(pulled * 0.5 + pushed * 0.15, rel=1e-5)


def test_weights_hardly_jump_where_they_switch() -> None:
    # Methods: 0.996 and 0.992 against 1.
    assert normal_weight(torch.tensor([-0.2])).item() == pytest.approx(0.996, abs=5e-4)
    assert normal_weight(torch.tensor([-0.1999, 0.4])).tolist() == [1, 1]
    assert abnormal_weight(torch.tensor([-0.99999])).item() == pytest.approx(0.992, abs=5e-4)
    assert abnormal_weight(torch.tensor([-1.0, -7.0])).tolist() == [1, 1]


def test_the_abnormal_weight_stays_finite_at_its_pole() -> None:
    weights = abnormal_weight(torch.tensor([-1e-9, 0.0, 0.3]))

    assert torch.isfinite(weights).all()


def test_normals_lose_their_log_sigmoid_or_their_likelihood() -> None:
    values = torch.tensor([0.0, -3.0])

    torch.testing.assert_close(
        likelihood_loss(values, "log_sigmoid"),
        torch.tensor([math.log(2), math.log(1 + math.exp(3))]),
    )
    assert likelihood_loss(values, "plain").tolist() == [0, 3]


def test_the_loss_of_a_mini_batch_is_the_sum_of_its_parts() -> None:
    parameters = replace(PAPER, beta=0.3, focal=False, likelihood="plain", contrast=2.0)
    values = torch.cat([NORMAL, ABNORMAL])
    abnormal = torch.tensor([False] * 5 + [True] * 2)

    # Mean of 9, 2, 1, 4, -1 is 3; the boundary's loss is 0.25 + 0.15 as above.
    assert bgad_loss(values, abnormal, parameters, warming=False).item() == pytest.approx(3.8)
    unpaired = replace(parameters, push_pull=False)
    assert bgad_loss(values, abnormal, unpaired, warming=False).item() == pytest.approx(3)


def test_weights_come_after_the_first_epoch() -> None:
    values, none = torch.tensor([-9.0]), torch.tensor([False])
    plain = math.log(1 + math.exp(9))

    assert bgad_loss(values, none, PAPER, warming=True).item() == pytest.approx(plain)
    weight = 11.7 * math.sqrt(1 - math.exp(-0.9)) * 0.9
    assert bgad_loss(values, none, PAPER, warming=False).item() == pytest.approx(weight * plain)


def test_without_violators_loss_and_gradients_are_finite() -> None:
    # All normals are equal: none is below their quantile but itself, by 0; the abnormal is far off.
    values = torch.tensor([-1.0, -1.0, -1.0, -90.0], requires_grad=True)
    abnormal = torch.tensor([False, False, False, True])

    loss = bgad_loss(values, abnormal, PAPER, warming=False)
    loss.backward()

    assert loss.item() == pytest.approx(math.log(1 + math.e))
    assert values.grad is not None
    assert values.grad[3].item() == 0
    assert torch.isfinite(values.grad).all()


def test_the_boundary_itself_has_no_gradient() -> None:
    values = NORMAL.clone().requires_grad_()

    boundary = explicit_boundary(values, quantile=0.3, margin=0.1, normalizer=10)

    assert not boundary.normal.requires_grad
