"""The conditional flow against its Jacobian, and against the published sizes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.autograd.functional import jacobian

from models.bgad.flow import ConditionalFlow, log_likelihood


def flow(channels: int, *, blocks: int = 3, seed: int = 0) -> ConditionalFlow:
    return ConditionalFlow(channels, blocks=blocks, position_channels=8, seed=seed)


def test_the_determinant_is_that_of_the_jacobian() -> None:
    net = flow(7).double()  # odd: the halves differ; rotations are rounded to 32 bits
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in net.parameters():
            if value.requires_grad:  # away from the start, where all global scales are 1
                value += torch.randn(value.shape, generator=generator, dtype=torch.float64) / 3
    features = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    codes = torch.randn(4, 8, generator=generator, dtype=torch.float64)

    _, log_det = net.blocks(features, [codes])

    for index in range(4):
        code = codes[index : index + 1]
        matrix = jacobian(lambda x, c=code: net.blocks(x[None], [c])[0][0], features[index])
        expected = torch.linalg.slogdet(matrix).logabsdet
        torch.testing.assert_close(log_det[index], expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("channels", "count"), [(40, 448_512), (72, 623_616), (200, 1_569_792)])
def test_a_published_flow_has_as_many_parameters(channels: int, count: int) -> None:
    net = ConditionalFlow(channels, blocks=8, position_channels=128, seed=0)

    assert sum(value.numel() for value in net.parameters() if value.requires_grad) == count


def test_a_block_follows_the_paper_step_by_step() -> None:
    net = flow(5, blocks=1)
    block = net.blocks[0]
    features, codes = torch.randn(2, 5), torch.randn(2, 8)
    with torch.no_grad():
        block.global_offset += 0.5

        latent, log_det = net.blocks(features, [codes])

        passive, active = features[:, :3], features[:, 3:]
        a = 0.1 * block.subnet(torch.cat([passive, codes], dim=1))
        log_scale = 1.9 * torch.tanh(a[:, :2])
        changed = torch.cat([passive, active * log_scale.exp() + a[:, 2:]], dim=1)
        # Psi(2 ln(e^5 - 1)) = 0.1 softplus with beta 0.5 = 0.2 ln(1 + e^5 - 1) = 1.
        expected = (changed + 0.5) @ block.w_perm.T
    torch.testing.assert_close(latent, expected)
    torch.testing.assert_close(log_det, log_scale.sum(dim=1), atol=1e-6, rtol=1e-5)


def test_the_subnet_is_twice_as_wide_as_its_input() -> None:
    first, relu, second = flow(5).blocks[0].subnet

    assert isinstance(relu, torch.nn.ReLU)
    assert (first.in_features, first.out_features) == (3 + 8, 2 * (3 + 8))
    assert (second.in_features, second.out_features) == (2 * (3 + 8), 2 * 2)


def test_rotations_are_rotations_and_not_trained() -> None:
    for block in flow(6).blocks:
        rotation = block.w_perm
        torch.testing.assert_close(rotation @ rotation.T, torch.eye(6), atol=1e-5, rtol=0)
        assert torch.linalg.det(rotation).item() == pytest.approx(1, abs=1e-5)
        assert not rotation.requires_grad


def test_log_likelihood_is_per_dimension() -> None:
    # Two channels, |z|^2 = 25: (-ln 2 pi - 12.5 + 3) / 2.
    found = log_likelihood(torch.tensor([[3.0, 4.0]]), torch.tensor([3.0]))

    assert found.item() == pytest.approx((-math.log(2 * math.pi) - 12.5 + 3) / 2)


def test_the_seed_alone_decides_the_start_and_other_random_numbers_go_on() -> None:
    np.random.seed(5)
    torch.manual_seed(5)
    first = flow(6).state_dict()
    drawn = np.random.random(), torch.rand(1).item()
    again, other = flow(6).state_dict(), flow(6, seed=1).state_dict()
    np.random.seed(5)
    torch.manual_seed(5)

    assert drawn == (np.random.random(), torch.rand(1).item())
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(
        first["blocks.module_list.0.w_perm"], other["blocks.module_list.0.w_perm"]
    )
