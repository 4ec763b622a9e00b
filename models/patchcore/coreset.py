"""Greedy k-centre selection: the few patches that leave none far from all of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

#: Points that are measured against each other at once, at least; more means fewer passes over all
#: points.
_CANDIDATES = 2048
#: The same as a share of all points.
_CANDIDATE_SHARE = 1 / 256
#: Points compared with new centres at once: bounds the memory beside the points.
_BLOCK = 2048
#: Squared distances below this share of the largest squared norm are rounding.
_ROUNDING = 1e-6


def random_projection(features: int, width: int, *, seed: int) -> Tensor:
    """The (D, width) matrix of torch's fresh bias-free linear layer: uniform within 1 / sqrt(D)."""
    generator = torch.Generator().manual_seed(seed)
    bound = features**-0.5
    return torch.empty(features, width).uniform_(-bound, bound, generator=generator)


def greedy_coreset(
    points: Tensor,
    count: int,
    *,
    seed: int,
    start_points: int = 10,
    on_chosen: Callable[[int], None] | None = None,
) -> Tensor:
    """Choose points one by one, each the farthest from all chosen before.

    The start is the released code's "approximate" one: a point's first distance is its mean
    distance to a few random points. From there on the choice is exactly the greedy one, ties going
    to the lower index.

    Distances only ever shrink. So while the farthest of the currently farthest points is still
    farther than every point outside that group was, it is the farthest of all, and only the group's
    distances need an update. All other points catch up with several new centres in one matrix
    product. Memory beside `points`: 4 bytes a point, and a few blocks.

    Args:
        points: (N, D) float32 or float16, on any device, with their mean near the origin: a common
            offset costs digits. Distances are worked out in float32.
        count: how many to choose, 1 to N.
        seed: draws the start points.
        start_points: how many random points the start uses.
        on_chosen: called with the number chosen so far.

    Returns:
        (count,) indices in the order of choice; fewer when all others coincide with a chosen point.

    Raises:
        ValueError: if `count` is not within 1 to N.

    Source: Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022,
    algorithm 1.
    """
    if not 1 <= count <= len(points):
        raise ValueError(f"cannot choose {count} of {len(points)} points")
    squared = _start_distances(points, start_points, seed)
    coincident = _ROUNDING * _largest_norm(points)
    chosen: list[int] = []
    with _workers() as workers:
        while len(chosen) < count:
            fresh = _choose_among_farthest(points, squared, count - len(chosen), coincident)
            if not fresh:
                break
            chosen += fresh
            _shrink(squared, points, points[fresh].float(), workers)
            squared[chosen] = 0.0
            if on_chosen is not None:
                on_chosen(len(chosen))
    # Where all points are one, none is far from any.
    return torch.tensor(chosen or [0], dtype=torch.int64)


def squared_distances(left: Tensor, right: Tensor) -> Tensor:
    """Squared Euclidean distances (N, M) between the rows of (N, D) and (M, D)."""
    left_norms = left.square().sum(dim=1, keepdim=True)
    expanded = torch.addmm(left_norms + right.square().sum(dim=1), left, right.T, alpha=-2)
    return expanded.clamp_(min=0)


def _start_distances(points: Tensor, start_points: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    start = torch.randperm(len(points), generator=generator)[:start_points]
    anchors = points[start.to(points.device)].float()
    squared = torch.empty(len(points), device=points.device)
    for block in _blocks(points):
        distances = squared_distances(points[block].float(), anchors).sqrt()
        squared[block] = distances.mean(dim=1).square()
    return squared


def _largest_norm(points: Tensor) -> float:
    """The largest squared norm."""
    return max(float(points[block].float().square().sum(dim=1).max()) for block in _blocks(points))


def _choose_among_farthest(
    points: Tensor, squared: Tensor, wanted: int, coincident: float
) -> list[int]:
    """Choose greedily among the farthest points, for as long as no other point can be farther."""
    size = max(_CANDIDATES, int(len(points) * _CANDIDATE_SHARE))
    if size < len(points):
        outside = float(squared.topk(size + 1).values[-1])
        group = (squared > outside).nonzero()[:, 0]
        if len(group) == 0:
            # More than the group would hold are equally far.
            group = (squared == outside).nonzero()[:size, 0]
    else:
        outside, group = 0.0, torch.arange(len(points), device=points.device)
    distances, candidates = squared[group], points[group].float()
    norms = candidates.square().sum(dim=1)
    chosen: list[int] = []
    while len(chosen) < wanted:
        farthest = int(distances.argmax())
        reach = float(distances[farthest])
        if reach <= coincident or (chosen and reach <= outside):
            break
        chosen.append(int(group[farthest]))
        new = torch.addmv(norms + norms[farthest], candidates, candidates[farthest], alpha=-2)
        torch.minimum(distances, new.clamp_(min=0), out=distances)
        distances[farthest] = 0.0
    return chosen


def _shrink(squared: Tensor, points: Tensor, centres: Tensor, workers: ThreadPoolExecutor) -> None:
    """Take new centres into account, block by block."""

    def shrink(block: slice) -> None:
        nearest = squared_distances(points[block].float(), centres).amin(dim=1)
        torch.minimum(squared[block], nearest, out=squared[block])

    for _ in workers.map(shrink, _blocks(points)):
        pass


@contextmanager
def _workers() -> Iterator[ThreadPoolExecutor]:
    """As many workers as torch has threads, each computing in one thread.

    Torch's own threads wait for each other after every small step, spinning; on a host that has
    other work they made the choice take four times as long.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)


def _blocks(points: Tensor) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, len(points), _BLOCK)]
