"""ROAD in 3D: hidden voxels take the values that their neighbours make most plausible.

Rong et al. 2022, arXiv 2202.00449, "noisy linear imputation". Every hidden voxel is the weighted mean of its 26
neighbours, whether these are hidden or not, plus a little noise; so all hidden voxels together solve one sparse linear
system. The weights go with 1 / d^2: 3/44 for a face, 3/88 for an edge, 1/44 for a corner. Neighbours outside the brain
do not count, and the weights of the others are scaled to a sum of 1.

With `K` the weights, `D_v` their sum over the neighbours of `v` in the brain, and `h` and `x` the hidden and the
visible part, the system is `(D - K_hh) h = K_hx x`: symmetric and positive definite. It is solved by conjugate
gradients, many sets of hidden voxels at once, preconditioned by one multigrid cycle, so that wide holes on fine grids
take no more steps than narrow ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d, conv3d

NOISE = 0.01  # of the imputed values, in SDs of the brain
TOLERANCE = 5e-5  # in SDs of the brain: RMS distance of a hidden voxel from its neighbours' mean when the solver stops.
# The values are then within 1e-3 SD (RMS) of the exact solution, a tenth of the noise.
STEPS = 200  # at most; a brain takes about 6
TOGETHER = 16  # sets of hidden voxels that are solved at once: the width in which depthwise convolutions are fast
VOXELS = 2**25  # that a tensor of the solver holds at most
DAMPING = 0.9  # of a Jacobi sweep
STIFFNESS = 3.0  # of a grid, relative to the next finer one: 2 for smooth corrections, 4 for blocky ones, as these are


def neighbour_weights() -> Tensor:
    """`1 / d^2` of the 26 neighbours, scaled to a sum of 1, `(3, 3, 3)` float32; 0 in the middle."""
    axis = torch.arange(-1.0, 2.0)
    squares = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    weights = torch.where(squares > 0, 1 / squares, torch.zeros(()))
    return weights / weights.sum()


def connected(brain: Tensor) -> Tensor:
    """Number the brain's separate parts from 1 up, 0 outside; touching corners connect. `(I, J, K)` int64."""
    from scipy.ndimage import label

    parts, _ = label(brain.cpu().numpy(), structure=np.ones((3, 3, 3)))
    return torch.from_numpy(parts.astype(np.int64)).to(brain.device)


def road(
    volume: Tensor, brain: Tensor, hidden: Tensor, *, noise: Tensor | None = None, parts: Tensor | None = None
) -> Tensor:
    """Hide voxels by noisy linear imputation.

    A part of the brain that is wholly hidden has no visible neighbours: it gets the mean of the visible voxels, or the
    brain's where none is.

    Args:
        volume: `(1, I, J, K)` float32.
        brain: `(I, J, K)` bool.
        hidden: one set of hidden voxels a row, `(Q, I, J, K)` bool, inside the brain.
        noise: standard normal, `(1, I, J, K)`; `NOISE` SDs of the brain of it are added to hidden voxels. None: none.
        parts: what `connected(brain)` gives, where that is known already.

    Returns:
        `(Q, 1, I, J, K)` float32.
    """
    parts = connected(brain) if parts is None else parts
    inside = volume[0][brain]
    spread, centre = inside.std(correction=0), inside.mean()
    result = volume.expand(len(hidden), *volume.shape).clone()
    together = max(1, min(TOGETHER, VOXELS // brain.numel()))
    order = hidden.flatten(1).sum(dim=1).argsort()  # sets of like size take like numbers of steps
    for some in order.tensor_split(math.ceil(len(order) / together)) if len(order) else ():
        unknown, known, values = map(_last, _with_unreachable(volume - centre, brain, hidden[some], parts))
        solution = values + _solve(unknown, known, values, float(spread) * TOLERANCE)
        result[some] = torch.where(hidden[some, None], _first(solution) + centre, result[some])
    if noise is not None:
        result += hidden[:, None] * (NOISE * spread * noise)
    return result


def _with_unreachable(volume: Tensor, brain: Tensor, hidden: Tensor, parts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is unknown, what of the brain is known, and the volume with 0 where it is unknown; `(Q, I, J, K)` each."""
    visible = (brain & ~hidden).to(volume.dtype)
    seen = visible.flatten(1).sum(dim=1)
    mean = (visible * volume).flatten(1).sum(dim=1) / seen.clamp(min=1)
    if int(parts.max()) == 1:
        lost = hidden & (seen == 0)[:, None, None, None]
    else:
        counts = torch.zeros(len(hidden), int(parts.max()) + 1, dtype=volume.dtype, device=volume.device)
        lost = hidden & (counts.index_add_(1, parts.flatten(), visible.flatten(1)) == 0)[:, parts]
    unknown = (hidden & ~lost).to(volume.dtype)
    values = torch.where(lost, mean[:, None, None, None], volume * (1 - unknown))
    return unknown, brain.to(volume.dtype) - unknown, values


def _solve(unknown: Tensor, known: Tensor, values: Tensor, tolerance: float) -> Tensor:
    """Conjugate gradients; `(1, I, J, K, Q)` each, and 0 in the result where nothing is unknown."""
    weights = neighbour_weights().to(unknown)
    grids = _grids(unknown, unknown * _neighbours(known, weights), weights)
    finest = grids[0]
    residual = _neighbours(known * values, weights) * unknown
    solution = torch.zeros_like(residual)
    towards = direction = _cycle(grids, residual).mul_(unknown)
    product, size = _total(residual * towards), _total(finest.diagonal).clamp(min=1e-12)
    for _ in range(STEPS):
        if not bool((_total(residual.square() * finest.inverse) > DAMPING * tolerance**2 * size).any()):
            break
        applied = finest.diagonal * direction - _neighbours(direction, weights).mul_(unknown)
        step = product / _total(direction * applied).clamp(min=1e-30)
        solution.addcmul_(step, direction)
        residual.addcmul_(-step, applied)
        towards = _cycle(grids, residual).mul_(unknown)
        before, product = product, _total(residual * towards)
        direction = direction * (product / before.clamp(min=1e-30)) + towards
    return solution


@dataclass(frozen=True, eq=False)
class _Grid:
    """The system on one grid of the cycle: `A u = diagonal u - share K (share u)`; `(1, I, J, K, Q)` each."""

    share: Tensor  # of each cell that is unknown, 0 to 1
    diagonal: Tensor
    inverse: Tensor  # of the diagonal, damped; 0 where nothing is unknown
    weights: Tensor  # of K, `(3, 3, 3)`


def _grids(share: Tensor, anchored: Tensor, weights: Tensor) -> list[_Grid]:
    """From fine to coarse; each has half the edges of the one before.

    Args:
        share: of each voxel that is unknown, `(1, I, J, K, Q)`.
        anchored: how strongly a voxel is tied to known ones, the same shape.
        weights: of the neighbours, `(3, 3, 3)`.
    """
    grids: list[_Grid] = []
    while True:
        diagonal = share * _neighbours(share, weights) + anchored
        inverse = torch.where(diagonal > 1e-6, DAMPING / diagonal.clamp(min=1e-6), 0.0)
        grids.append(_Grid(share, diagonal, inverse, weights))
        if min(share.shape[1:4]) <= 5:
            return grids
        share, anchored, weights = _pool(share) / 8, _pool(anchored), STIFFNESS * weights


def _cycle(grids: list[_Grid], residual: Tensor) -> Tensor:
    """A symmetric V-cycle from zero: a sweep, the correction of the coarser grids, a sweep."""
    grid = grids[0]
    correction = grid.inverse * residual
    if len(grids) == 1:
        for _ in range(6):
            correction.addcmul_(grid.inverse, _remainder(grid, residual, correction))
        return correction
    coarse = _cycle(grids[1:], _pool(_remainder(grid, residual, correction)))
    correction.add_(_enlarge(coarse, correction))
    return correction.addcmul_(grid.inverse, _remainder(grid, residual, correction))


def _remainder(grid: _Grid, residual: Tensor, correction: Tensor) -> Tensor:
    pull = _neighbours(grid.share * correction, grid.weights).mul_(grid.share)
    return pull.addcmul_(grid.diagonal, correction, value=-1).add_(residual)


def _neighbours(values: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum of the 26 neighbours; nothing lies beyond the volume. `(1, I, J, K, Q)`, Q innermost."""
    systems = values.shape[-1]
    kernel = weights.expand(systems, 1, 3, 3, 3)
    return conv3d(values.permute(0, 4, 1, 2, 3), kernel, padding=1, groups=systems).permute(0, 2, 3, 4, 1)


def _pool(values: Tensor) -> Tensor:
    """Sums over cubes of 2 voxels an edge; the last ones may be cut."""
    pooled = avg_pool3d(values.permute(0, 4, 1, 2, 3), 2, ceil_mode=True, divisor_override=1)
    return pooled.permute(0, 2, 3, 4, 1).contiguous()


def _enlarge(values: Tensor, like: Tensor) -> Tensor:
    """Every value repeated over its cube of 2 voxels an edge, cut to `like`."""
    for axis in (1, 2, 3):
        values = values.repeat_interleave(2, dim=axis).narrow(axis, 0, like.shape[axis])
    return values


def _total(values: Tensor) -> Tensor:
    """Sums over the voxels, `(Q,)`."""
    return values.flatten(0, 3).sum(dim=0)


def _last(values: Tensor) -> Tensor:
    """`(Q, I, J, K)` to `(1, I, J, K, Q)`: depthwise convolutions are fast where Q is innermost in memory."""
    return values.permute(1, 2, 3, 0)[None].contiguous()


def _first(values: Tensor) -> Tensor:
    """`(1, I, J, K, Q)` to `(Q, 1, I, J, K)`."""
    return values.permute(4, 0, 1, 2, 3)
