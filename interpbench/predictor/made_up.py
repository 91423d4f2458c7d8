"""Made-up volumes to test a network without images: brains of several kinds, noise, and empty volumes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from interpbench.images.recipe import Recipe

# Of each brain: its radius as a part of the box, the knots of its smooth pattern an axis, its share of noise.
_BRAINS = ((0.95, 6, 0.3), (0.75, 3, 0.1), (0.85, 9, 0.6), (0.9, 4, 0.2))
_LEVEL, _SPREAD = 100.0, 15.0  # of intensities, where a recipe leaves them as they are


def made_up_volumes(recipe: Recipe, brains: int = len(_BRAINS), seed: int = 0) -> Tensor:
    """Volumes as the recipe might prepare them; the same for the same recipe and seed.

    Args:
        recipe: whose shape and way to normalise they have.
        brains: how many are smooth blobs of tissue in an ellipsoid, each of another size and pattern; four at most.

    Returns:
        `(brains + 2, 1, I, J, K)` float32: the brains, then white noise, then zeros.
    """
    draw = torch.Generator().manual_seed(seed)
    shape = recipe.shape
    volumes = [_brain(recipe, *kind, draw) for kind in _BRAINS[:brains]]
    everywhere = torch.ones(shape, dtype=torch.bool)
    noise = _normalised(torch.randn(shape, generator=draw), everywhere, recipe.normalise)
    return torch.stack([*volumes, noise, torch.zeros(shape)])[:, None]


def _brain(recipe: Recipe, radius: float, knots: int, noise: float, draw: torch.Generator) -> Tensor:
    shape = recipe.shape
    axes = [(torch.arange(edge) - (edge - 1) / 2) / (edge / 2) for edge in shape]
    squares = [axis.square() for axis in axes]
    inside = squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :] < radius**2
    coarse = torch.randn(1, 1, knots, knots, knots, generator=draw)
    pattern = interpolate(coarse, size=shape, mode="trilinear", align_corners=True)[0, 0]
    values = pattern + noise * torch.randn(shape, generator=draw)
    return _normalised(values, inside if bool(inside.any()) else ~inside, recipe.normalise)


def _normalised(values: Tensor, brain: Tensor, how: str) -> Tensor:
    """`(I, J, K)` with background outside the brain, as `Recipe.prepare` would return it."""
    inside = values[brain]
    scaled = (values - inside.mean()) / inside.std(correction=0).clamp(min=1e-6)
    if how == "brain":
        return torch.where(brain, scaled, 0.0)
    raw = torch.where(brain, (_LEVEL + _SPREAD * scaled).clamp(min=0), 0.0)
    return raw if how == "none" else (raw - raw.mean()) / raw.std(correction=0).clamp(min=1e-6)
