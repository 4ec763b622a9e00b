"""BGAD's losses: likelihood of the normal, and the two sides of an explicit boundary.

Letters as in the paper: l is the log-likelihood per dimension, in nats, N the normalizer, and u is
l / N.

Source: Yao et al., "Explicit Boundary Guided Semi-Push-Pull Contrastive Learning for Supervised
Anomaly Detection", CVPR 2023. Where the released code differs it is followed, and the paper's
variant is a hyper-parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from models.bgad.parameters import BgadParameters, Likelihood, Violators

#: Nearest to 0 that u may come in the abnormal weight, which has its pole there.
_NEAREST = 0.05


class Boundary(NamedTuple):
    """Where the normal ends and where the abnormal has to be, in u."""

    #: Normals below it are pulled up.
    normal: Tensor
    #: Abnormals above it are pushed down.
    abnormal: Tensor


def explicit_boundary(
    normal: Tensor, *, quantile: float, margin: float, normalizer: float
) -> Boundary:
    """Find the boundary among normal log-likelihoods.

    Args:
        normal: (n,), l of normal positions, at least one.
        quantile: beta, the share of them that may lie below it.
        margin: tau, between the two boundaries, in u.
        normalizer: N.
    """
    lowest = normal.detach().sort().values
    # At a quantile of 1 the largest.
    place = min(int(len(lowest) * quantile), len(lowest) - 1)
    boundary = lowest[place] / normalizer
    return Boundary(boundary, boundary - margin)


def normal_weight(u: Tensor) -> Tensor:
    """Focal weight of normal positions: more for the less likely; has no gradient."""
    u = u.detach()
    rare = 11.7 * (1 - u.exp()).clamp_min(0).sqrt() * u.abs()
    return torch.where(u > -0.2, torch.ones_like(u), rare)


def abnormal_weight(u: Tensor) -> Tensor:
    """Focal weight of abnormal positions: more for the more likely; has no gradient."""
    u = u.detach()
    likely = 0.53 * (1 + u.exp()).square() / u.abs().clamp_min(_NEAREST)
    return torch.where(u <= -1, torch.ones_like(u), likely)


def likelihood_loss(log_likelihoods: Tensor, kind: Likelihood) -> Tensor:
    """Loss of each normal position, (n,): minus l (paper) or minus its log-sigmoid (code)."""
    return -log_likelihoods if kind == "plain" else -F.logsigmoid(log_likelihoods)


def semi_push_pull(
    normal: Tensor,
    abnormal: Tensor,
    boundary: Boundary,
    *,
    normalizer: float,
    focal: bool,
    violators: Violators,
) -> Tensor:
    """Pull normals above the normal boundary, push abnormals below the abnormal one.

    Only violators count: what is on its own side is left alone, however far it is.

    Args:
        normal: (n,), l of normal positions.
        abnormal: (a,), l of abnormal positions.
        boundary: from the same normals.
        normalizer: N.
        focal: whether hard positions weigh more.
        violators: what is taken of the violators' losses, each side by itself; without any, 0.

    Returns:
        A number: L_n + L_a.
    """
    u_normal, u_abnormal = normal / normalizer, abnormal / normalizer
    pull = (boundary.normal - u_normal) * (normal_weight(u_normal) if focal else 1)
    push = (u_abnormal - boundary.abnormal) * (abnormal_weight(u_abnormal) if focal else 1)
    below = u_normal.detach() <= boundary.normal
    above = u_abnormal.detach() >= boundary.abnormal
    return _over(pull, below, violators) + _over(push, above, violators)


def bgad_loss(
    log_likelihoods: Tensor, abnormal: Tensor, parameters: BgadParameters, *, warming: bool
) -> Tensor:
    """Loss of a mini-batch of one level.

    Args:
        log_likelihoods: (n,), l of every position.
        abnormal: (n,) bool; not all.
        parameters: which terms, and their constants.
        warming: the first meta epoch: normals only, without weights.

    Returns:
        A number.
    """
    normal, defective = log_likelihoods[~abnormal], log_likelihoods[abnormal]
    each = likelihood_loss(normal, parameters.likelihood)
    if parameters.focal and not warming:
        each = each * normal_weight(normal / parameters.normalizer)
    if len(defective) == 0 or not parameters.push_pull:
        return each.mean()
    boundary = explicit_boundary(
        normal,
        quantile=parameters.beta,
        margin=parameters.tau,
        normalizer=parameters.normalizer,
    )
    contrast = semi_push_pull(
        normal,
        defective,
        boundary,
        normalizer=parameters.normalizer,
        focal=parameters.focal,
        violators=parameters.violators,
    )
    return each.mean() + parameters.contrast * contrast


def _over(losses: Tensor, chosen: Tensor, violators: Violators) -> Tensor:
    total = (losses * chosen).sum()
    return total / chosen.sum().clamp_min(1) if violators == "mean" else total
