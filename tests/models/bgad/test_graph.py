"""The scoring graph against the flows themselves, and against the released code's formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.bgad.graph import LikelihoodMap, LogUpsample
from models.bgad.level import LevelFlow
from models.bgad.parameters import BgadParameters

PARAMETERS = replace(BgadParameters(), blocks=3, position_channels=8)


def trained_level(channels: int, grid: tuple[int, int], seed: int = 0) -> LevelFlow:
    """A flow whose every weight is away from its start."""
    level = LevelFlow(channels, grid, PARAMETERS, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in level.parameters():
            if value.requires_grad:
                value += 0.2 * torch.randn(value.shape, generator=generator)
        level.mean += 1
        level.scale += 0.1
    return level


def test_the_graph_is_the_trained_flow() -> None:
    level = trained_level(5, (3, 4))
    features = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(1))

    # One level at its own size: nothing is enlarged, and the map is maximum - l.
    scores = LikelihoodMap([level], [0.25], 3, 4)(features[None])

    likelihoods = level.maps(features.permute(0, 2, 3, 1).numpy())
    torch.testing.assert_close(scores, 0.25 - likelihoods, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("grid", [(4, 6), (1, 5), (16, 16)])
def test_upsampling_in_logarithms_is_upsampling(grid: tuple[int, int]) -> None:
    logarithms = 3 * torch.randn(2, *grid, generator=torch.Generator().manual_seed(0))

    enlarged = LogUpsample(grid, 16, 16)(logarithms)

    expected = F.interpolate(
        logarithms.double().exp()[:, None], size=(16, 16), mode="bilinear", align_corners=True
    )
    torch.testing.assert_close(enlarged, expected[:, 0].log().float(), atol=1e-5, rtol=1e-5)


def test_scores_are_the_released_formula_without_its_ties() -> None:
    levels = [trained_level(5, (4, 4)), trained_level(3, (2, 2), seed=1)]
    generator = torch.Generator().manual_seed(2)
    features = [
        torch.randn(1, 5, 4, 4, generator=generator),
        torch.randn(1, 3, 2, 2, generator=generator),
    ]
    maxima = [0.5, 1.5]

    scores = LikelihoodMap(levels, maxima, 8, 8)(features)

    total = torch.zeros(1, 8, 8, dtype=torch.float64)
    for level, values, maximum in zip(levels, features, maxima, strict=True):
        likelihoods = level.maps(values.permute(0, 2, 3, 1).numpy()).double()
        total += F.interpolate(
            (likelihoods - maximum).exp()[:, None], size=(8, 8), mode="bilinear", align_corners=True
        )[:, 0]
    torch.testing.assert_close(scores, -total.log().float(), atol=1e-5, rtol=1e-5)
    released = total.max() - total
    assert scores.flatten().argsort().tolist() == released.flatten().argsort().tolist()


@pytest.mark.parametrize("below", [17.0, 40.0, 200.0, 5000.0])
def test_scores_far_below_the_maximum_keep_their_order(below: float) -> None:
    # In the released formula 1 - exp(-17) and 1 - exp(-18) are the same 32-bit number.
    assert np.float32(1) - np.float32(np.exp(-17.5)) == np.float32(1) - np.float32(np.exp(-18.5))
    logarithms = -below - torch.arange(4.0).reshape(1, 2, 2)

    enlarged = LogUpsample((2, 2), 5, 5)(logarithms)

    along_rows, along_columns = enlarged[0].diff(dim=0), enlarged[0].diff(dim=1)
    assert torch.isfinite(enlarged).all()
    assert (along_rows < 0).all()
    assert (along_columns < 0).all()


def test_a_steep_step_between_cells_stays_finite() -> None:
    logarithms = torch.tensor([[[0.0, -3000.0], [-3000.0, -6000.0]]])

    enlarged = LogUpsample((2, 2), 3, 3)(logarithms)

    assert enlarged[0, 0, 0] == 0
    assert enlarged[0, 2, 2] == -6000
    # Half way to something impossible: half as likely.
    assert enlarged[0, 0, 1].item() == pytest.approx(np.log(0.5))
