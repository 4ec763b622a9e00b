"""SimpleNet's anomalous features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from models.simplenet.noise import disturb

if TYPE_CHECKING:
    from models.simplenet.parameters import NoiseKind


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_noise_has_the_stated_deviation_and_no_mean() -> None:
    patches = torch.full((1000, 100), 3.0)

    noise = disturb(patches, "gaussian", 0.015, 0.015, generator()) - patches

    # Of 100,000 draws: the deviation is known to 1 / sqrt(200,000) = 0.2 %, the mean to 5e-5.
    assert noise.std().item() == pytest.approx(0.015, rel=0.01)
    assert noise.mean().item() == pytest.approx(0, abs=2e-4)


def test_each_element_is_disturbed_on_its_own() -> None:
    noise = disturb(torch.zeros(2000, 4), "gaussian", 1.0, 1.0, generator())

    correlation = torch.corrcoef(noise.T) - torch.eye(4)
    assert correlation.abs().max().item() < 0.1


def test_a_range_gives_each_patch_its_own_deviation() -> None:
    noise = disturb(torch.zeros(2000, 500), "gaussian", 0.1, 10.0, generator())

    exponents = noise.std(dim=1).log10()
    # Even between log10(0.1) = -1 and log10(10) = 1: mean 0, deviation 2 / sqrt(12).
    assert exponents.mean().item() == pytest.approx(0, abs=0.05)
    assert exponents.std().item() == pytest.approx(2 / 12**0.5, abs=0.03)


def test_differences_are_as_large_and_as_correlated_as_the_patches() -> None:
    base = torch.randn((20_000, 2), generator=generator(1))
    patches = base @ torch.tensor([[3.0, 1.0], [0.0, 1.0]]) + 7

    noise = disturb(patches, "differences", 1.0, 1.0, generator()) - patches

    # Half the variance of a difference of two: that of one.
    torch.testing.assert_close(torch.cov(noise.T), torch.cov(patches.T), atol=0.2, rtol=0)
    torch.testing.assert_close(noise.mean(dim=0), torch.zeros(2), atol=0.02, rtol=0)


def test_differences_are_those_of_good_patches() -> None:
    # Of the patches 0 and 1 there are only the differences -1, 0 and 1, times 2 / sqrt(2).
    patches = torch.tensor([0.0, 1.0]).repeat(50)[:, None]

    noise = disturb(patches, "differences", 2.0, 2.0, generator()) - patches

    assert {round(value, 4) for value in noise.flatten().tolist()} == {-1.4142, 0.0, 1.4142}


@pytest.mark.parametrize("kind", ["gaussian", "differences"])
def test_the_generator_alone_decides(kind: NoiseKind) -> None:
    patches = torch.arange(20.0).reshape(5, 4)

    one, same, other = (disturb(patches, kind, 0.1, 0.5, generator(seed)) for seed in (1, 1, 2))

    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_gradients_reach_the_adaptor() -> None:
    patches = torch.zeros(3, 4, requires_grad=True)

    disturb(patches, "gaussian", 0.1, 0.1, generator()).sum().backward()

    assert patches.grad is not None
    assert patches.grad.eq(1).all()
