"""SimpleNet's modules."""

from __future__ import annotations

import pytest
import torch

from models.simplenet.network import Head, fold
from models.simplenet.scaling import Scaling

WIDTH, HIDDEN = 6, 5


def trained_head(*, adaptor: bool, seed: int = 0) -> Head:
    """A head whose batch norm has seen something."""
    head = Head(WIDTH, HIDDEN, adaptor=adaptor, seed=seed)
    generator = torch.Generator().manual_seed(seed + 1)
    patches = 3 + 2 * torch.randn(50, WIDTH, generator=generator)
    for _ in range(5):
        head.discriminate(head.adaptor(patches))
    torch.nn.init.uniform_(head.norm.weight, 0.5, 2, generator=generator)
    torch.nn.init.uniform_(head.norm.bias, generator=generator)
    return head.eval()


@pytest.mark.parametrize("adaptor", [True, False])
@torch.no_grad()
def test_the_folded_network_says_the_negative_of_its_heads_mean(adaptor: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    scaling = Scaling(
        torch.randn(WIDTH, generator=generator), torch.randn(WIDTH, WIDTH, generator=generator)
    )
    grid = torch.randn(2, 3, 4, WIDTH, generator=generator)

    heads = [trained_head(adaptor=adaptor, seed=seed) for seed in (0, 5)]

    scores = fold(scaling, heads)(grid)

    patches = scaling(grid.reshape(-1, WIDTH))
    each = [-one.discriminate(one.adaptor(patches)).reshape(2, 3, 4) for one in heads]
    expected = (each[0] + each[1]) / 2
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=1e-5)


def test_batch_norm_sees_good_and_fake_patches_as_one() -> None:
    head = Head(WIDTH, HIDDEN, adaptor=True, seed=0)
    real, fake = torch.zeros(8, WIDTH), torch.ones(8, WIDTH)

    together = head.discriminate(torch.cat([real, fake]))

    # Alone each half is constant, and batch norm would take away what tells them apart.
    apart = torch.cat([head.discriminate(real), head.discriminate(fake)])
    assert (together[0] - together[8]).abs() > 0.1
    torch.testing.assert_close(apart, apart[0].expand(16), atol=1e-3, rtol=0)


def test_the_first_weights_are_xavier_normal_and_of_the_seed() -> None:
    first, same, other = (
        Head(100, 400, adaptor=True, seed=seed).state_dict() for seed in (0, 0, 1)
    )

    # Xavier: variance 2 / (inputs + outputs).
    assert first["adaptor.weight"].std().item() == pytest.approx((2 / 200) ** 0.5, rel=0.03)
    assert first["hidden.weight"].std().item() == pytest.approx((2 / 500) ** 0.5, rel=0.03)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["hidden.weight"], other["hidden.weight"])


def test_the_papers_modules_have_the_papers_sizes() -> None:
    head = Head(1536, 1024, adaptor=True, seed=0)

    count = sum(weight.numel() for weight in head.parameters())

    # Adaptor 1536^2 + 1536; hidden layer 1536 * 1024 + 1024; batch norm 2 * 1024; output 1024.
    assert count == 1536**2 + 1536 + 1536 * 1024 + 1024 + 2 * 1024 + 1024
