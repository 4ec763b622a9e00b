"""SimpleNet's two small modules, and the whole scoring network they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.features import EmbeddingGraph
    from models.simplenet.scaling import Scaling

#: Slope of the discriminator's LeakyReLU below zero.
_SLOPE = 0.2


class Head(nn.Module):
    """Adaptor G and discriminator D, as they are trained.

    Source: Liu et al., CVPR 2023, sections 3.2 and 3.4.
    """

    def __init__(self, width: int, hidden: int, *, adaptor: bool, seed: int) -> None:
        """Draw the first weights.

        Args:
            width: D of the patch embeddings, which the adaptor keeps.
            hidden: of the discriminator's hidden layer.
            adaptor: False leaves embeddings as they are.
            seed: of the weights.
        """
        super().__init__()
        self.adaptor = nn.Linear(width, width) if adaptor else nn.Identity()
        self.hidden = nn.Linear(width, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.activation = nn.LeakyReLU(_SLOPE)
        self.out = nn.Linear(hidden, 1, bias=False)
        self._draw(torch.Generator().manual_seed(seed))

    def discriminate(self, adapted: Tensor) -> Tensor:
        """Say how good adapted patches (N, D) look, (N,): high for good ones."""
        verdict: Tensor = self.out(self.activation(self.norm(self.hidden(adapted))))
        return verdict.squeeze(1)

    def _draw(self, generator: torch.Generator) -> None:
        """Xavier-normal weights; biases as torch draws them by default, up to 1 / sqrt(inputs)."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight, generator=generator)
                if layer.bias is not None:
                    bound = layer.in_features**-0.5
                    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


class PatchScorer(nn.Module):
    """Anomaly scores of patch embeddings: all that scaling, adaptor and discriminator learnt.

    Up to the discriminator's activation everything is affine once trained, batch norm included, so
    it is one matrix: an adaptor costs nothing where images are scored.
    """

    #: With half precision the folded scaling loses what tells patches apart.
    full_precision = True

    def __init__(self, width: int, hidden: int) -> None:
        """Prepare for embeddings of `width`; the weights come from `fold` or a file."""
        super().__init__()
        self.hidden = nn.Linear(width, hidden)
        self.activation = nn.LeakyReLU(_SLOPE)
        self.out = nn.Linear(hidden, 1, bias=False)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Score (..., D) embeddings as (...): -D(G(o)), higher is more anomalous."""
        scores: Tensor = self.out(self.activation(self.hidden(embeddings.float())))
        return scores.squeeze(-1)


class SimpleNetGraph(nn.Module):
    """From camera pixels to patch scores in one graph, for any runtime."""

    def __init__(self, embedding: EmbeddingGraph, scorer: PatchScorer) -> None:
        """Join a frozen backbone with its aggregation, and what was trained on it."""
        super().__init__()
        self.embedding = embedding
        self.scorer = scorer

    def forward(self, images: Tensor) -> Tensor:
        """Score (B, H, W, 3) RGB pixels, 0 to 255, as (B, h, w)."""
        return cast("Tensor", self.scorer(self.embedding(images)))


def fold(scaling: Scaling, heads: Sequence[Head]) -> PatchScorer:
    """Join trained heads, as their mean, and the scaling before them; nothing is changed in place.

    Their hidden layers lie side by side in one: several cost no more than one as wide as all.
    """
    parts = [_folded(scaling, head) for head in heads]
    weight = torch.cat([weight for weight, _ in parts])
    scorer = PatchScorer(weight.shape[1], weight.shape[0])
    scorer.hidden.weight.copy_(weight)
    scorer.hidden.bias.copy_(torch.cat([bias for _, bias in parts]))
    # The sign turns what looks good into what looks anomalous.
    out = torch.cat([head.out.weight.detach() for head in heads], dim=1)
    scorer.out.weight.copy_(-out / len(heads))
    return scorer


def _folded(scaling: Scaling, head: Head) -> tuple[Tensor, Tensor]:
    """Scaling, adaptor, hidden layer and batch norm as one: weight (hidden, D), bias (hidden,).

    Batch norm in scoring is (x - mean) * gain + shift with gain = weight / sqrt(var + eps).
    """
    matrix, offset = _affine(scaling.matrix), -scaling.mean.double() @ _affine(scaling.matrix)
    for layer in (head.adaptor, head.hidden):
        if isinstance(layer, nn.Linear):
            weight = _affine(layer.weight).T
            matrix, offset = matrix @ weight, offset @ weight + _affine(layer.bias)
    norm = head.norm
    variance, mean = cast("Tensor", norm.running_var), cast("Tensor", norm.running_mean)
    gain = _affine(norm.weight) / (_affine(variance) + norm.eps).sqrt()
    return (matrix * gain).T, (offset - _affine(mean)) * gain + _affine(norm.bias)


def _affine(values: Tensor) -> Tensor:
    """On the CPU in double precision: products of several matrices are rounded once, at the end."""
    return values.detach().double().cpu()
