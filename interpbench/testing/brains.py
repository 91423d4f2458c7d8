"""Made-up brains and the cube in them for the toys, and the fit of a learned explainer to a toy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d

from interpbench.contract.interfaces import Explainer, Predictor, Sample

Shape = tuple[int, int, int]


def toy_brain(shape: Shape) -> Tensor:
    """An ellipsoid that leaves the box's corners free, `(I, J, K)` bool."""
    axes = [(torch.arange(size) - (size - 1) / 2) / (size / 2) for size in shape]
    squares = [axis.square() for axis in axes]
    return squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :] < 1


def toy_cube(shape: Shape) -> Tensor:
    """The cube that matters, `(I, J, K)` bool: off the centre, inside `toy_brain`, a third of the shortest edge."""
    edge = max(2, min(shape) // 3)
    cube = torch.zeros(shape, dtype=torch.bool)
    starts = [round(place * size - edge / 2) for place, size in zip((0.64, 0.38, 0.46), shape, strict=True)]
    cube[tuple(slice(start, start + edge) for start in starts)] = True
    return cube


def toy_brains(subjects: int, shape: Shape, seed: int = 0) -> Tensor:
    """Volumes as a recipe hands them on: brain voxels of mean 0 and variance 1, background exactly 0.

    Half the variance is one smooth anatomy that all share, so that a place can be recognised; half is white noise
    of the subject's own.

    Returns:
        `(B, 1, I, J, K)` float32.
    """
    brain = toy_brain(shape)
    coarse = torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(12345))
    anatomy = _normalised(avg_pool3d(coarse, 3, stride=1, padding=1), brain)
    own = torch.randn(subjects, 1, *shape, generator=torch.Generator().manual_seed(seed))
    return _normalised(anatomy + own, brain)


def toy_samples(predictor: Predictor, subjects: int, seed: int = 0) -> list[Sample]:
    """Subjects whose ages the predictor gets exactly right."""
    volumes = toy_brains(subjects, predictor.recipe.shape, seed)
    brain = toy_brain(predictor.recipe.shape)
    with torch.no_grad():
        ages = predictor.predict(volumes)
    return [
        Sample(subject=f"{index:03d}", volume=volume, brain=brain, target=float(age))
        for index, (volume, age) in enumerate(zip(volumes, ages, strict=True))
    ]


def fitted(
    explainer: Explainer, predictor: Predictor, *, training: int = 24, validation: int = 8, seed: int = 1
) -> Explainer:
    """The explainer, fitted to made-up subjects of this predictor if it is one that must learn.

    Args:
        training, validation: numbers of subjects.
        seed: of the subjects.
    """
    if not explainer.learned:
        return explainer
    samples = toy_samples(predictor, training + validation, seed)
    return explainer.fit(predictor, samples[:training], samples[training:])


def _normalised(volumes: Tensor, brain: Tensor) -> Tensor:
    inside = volumes[..., brain]  # (B, 1, voxels)
    mean, spread = inside.mean(dim=-1), inside.std(dim=-1)
    return (volumes - mean[..., None, None, None]) / spread[..., None, None, None] * brain
