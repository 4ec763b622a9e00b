"""Embeddings on one scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.simplenet.scaling import choose_scaling


def correlated(count: int = 4000) -> np.ndarray:
    """Three channels of very different scale, the first two nearly the same but for that."""
    base = np.random.default_rng(0).normal(size=(count, 3))
    base[:, 1] = base[:, 0] + 0.3 * base[:, 1]
    return (base * [10, 0.1, 1] + [5, 0, -2]).astype(np.float16)


def scaled(kind: str, shrinkage: float = 0.0) -> torch.Tensor:
    patches = correlated()
    scaling = choose_scaling(patches, kind, shrinkage=shrinkage, seed=0)  # type: ignore[arg-type]
    return scaling(torch.from_numpy(patches).float())


def test_none_leaves_embeddings_as_they_are() -> None:
    assert torch.equal(scaled("none"), torch.from_numpy(correlated()).float())


def test_standard_gives_each_channel_mean_0_and_deviation_1() -> None:
    patches = scaled("standard")

    torch.testing.assert_close(patches.mean(dim=0), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(patches.std(dim=0), torch.ones(3), atol=1e-3, rtol=0)
    assert torch.corrcoef(patches.T)[0, 1] > 0.9


def test_whitened_channels_are_uncorrelated_too() -> None:
    patches = scaled("whitened")

    torch.testing.assert_close(torch.cov(patches.T), torch.eye(3), atol=2e-3, rtol=0)


def test_shrinkage_keeps_rare_directions_small() -> None:
    variances = torch.linalg.eigvalsh(torch.cov(scaled("whitened", shrinkage=0.5).T))

    # A direction of variance v becomes one of v / (v + 0.5): channels one and two correlate by
    # r = 1 / sqrt(1.09), so v is 1 - r, 1 and 1 + r.
    wanted = [v / (v + 0.5) for v in (1 - 1.09**-0.5, 1, 1 + 1.09**-0.5)]
    np.testing.assert_allclose(variances, wanted, atol=0.02)


@pytest.mark.parametrize("kind", ["standard", "whitened"])
def test_a_channel_that_never_changes_stays_finite(kind: str) -> None:
    patches = np.ones((10, 2), np.float16)
    patches[:, 0] = np.arange(10)

    scaling = choose_scaling(patches, kind, shrinkage=0.01, seed=0)  # type: ignore[arg-type]

    assert scaling(torch.from_numpy(patches).float()).isfinite().all()
