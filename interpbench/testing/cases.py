"""A test case for metrics: a linear predictor, a made-up brain, and a method that returns a given map."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d

from interpbench.contract.interfaces import Predictor
from interpbench.contract.metric import Case, ExplainAgain
from interpbench.testing.brains import Shape, toy_brain, toy_brains, toy_cube
from interpbench.testing.others import toy_everyone
from interpbench.testing.toys import ToyPredictor, failing

BRIGHTER = 2.0  # than in others' brains is the cube of this subject, so that hiding it changes the prediction
ERROR = 0.25  # of the prediction, years
REGION = 3  # edge of a region, voxels
STEP = 0.1  # how far the toy's method moves when it explains again
KNOWN = (
    "truth",
    "everyone",
    "distractors",
    "target",
    "mean_volume",
    "reference",
    "regions",
    "again",
)  # what a case may lack


def toy_case(
    predictor: ToyPredictor, map: Tensor, *, subject: int = 0, without: Collection[str] = (), **fields: Any
) -> Case:
    """One made-up subject, and a map of it.

    The truth is where the predictor's is above 0; the target is a quarter of a year off; every region is a block of
    3 voxels, and `toy_cube` one of its own; the distractors are two of those blocks; `reference` is a volume of zeros;
    `again` is that of `toy_method`; `everyone` is that of `toy_everyone`.

    Args:
        map: `(I, J, K)`, any.
        subject: whose brain; also the seed.
        without: names of what nobody knows, of `KNOWN`.
        fields: of `Case`, in place of what is here.
    """
    strange = sorted({*without} - {*KNOWN})
    if strange:
        raise ValueError(f"without: a case may omit {', '.join(KNOWN)}, got {', '.join(strange)}")
    shape = predictor.recipe.shape
    volume, signed = toy_volume(shape, subject), bool(fields.get("signed", False))
    with torch.no_grad():
        prediction = float(failing(predictor, call=0).predict(volume[None])[0])  # a copy: the predictor was not asked
    regions, label = _regions(shape), f"{subject:03d}"
    truth = None if predictor.truth is None else predictor.truth > 0
    values: dict[str, Any] = {
        "subject": label,
        "method": "toy",
        "predictor": predictor,
        "volume": volume,
        "brain": toy_brain(shape),
        "map": map,
        "signed": signed,
        "learned": False,
        "prediction": prediction,
        "target": prediction + ERROR,
        "seed": subject,
        "voxel_size": predictor.recipe.voxel_size,
        "truth": truth,
        "everyone": None if truth is None else toy_everyone(truth, toy_brain(shape), label),
        "distractors": (regions > 0) & (regions <= regions[regions > 0].min() + 1),
        "mean_volume": toy_brains(16, shape, seed=1000).mean(dim=0),
        "reference": torch.zeros_like(volume),
        "regions": regions,
        "again": toy_method(predictor, volume, map, signed=signed),
    }
    return Case(**{**values, **{name: float("nan") if name == "target" else None for name in without}, **fields})


def toy_volume(shape: Shape, subject: int = 0) -> Tensor:
    """A made-up brain whose `toy_cube` is brighter than others', `(1, I, J, K)` float32."""
    return toy_brains(1, shape, seed=subject)[0] + BRIGHTER * toy_cube(shape)


def random_map(shape: Shape, seed: int = 0, *, signed: bool = False) -> Tensor:
    """White noise, `(I, J, K)` float32: from 0 to 1, or signed around 0."""
    draw = torch.randn if signed else torch.rand
    return draw(shape, generator=torch.Generator().manual_seed(1000 + seed))


def slope(predictor: Predictor, volume: Tensor) -> Tensor:
    """The gradient of the prediction, `(I, J, K)`; of a linear predictor, its weights."""
    inputs = volume.detach().clone()[None].requires_grad_(True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(predictor.predict(inputs).sum(), inputs)
    return gradient[0, 0]


def toy_method(predictor: ToyPredictor, volume: Tensor, map: Tensor, *, signed: bool = False) -> ExplainAgain:
    """A method that returns `map`, and can explain again.

    It asks for one gradient. With another network, volume or seed the map's detail (what differs from the neighbours')
    grows or shrinks by a little, voxel by voxel: twice the map gives twice the answer, and a flat map stays flat.

    Args:
        predictor, volume: that `map` explains.
    """
    usual = slope(failing(predictor, call=0), volume)
    size = float(usual.abs().max()) or 1.0
    smooth = avg_pool3d(map[None, None], 3, stride=1, padding=1, count_include_pad=False)[0, 0]
    first = predictor, volume

    def again(*, predictor: Predictor | None = None, volume: Tensor | None = None, seed: int | None = None) -> Tensor:
        seen = first[1] if volume is None else volume
        growth = (slope(predictor or first[0], seen) - usual) / size + (seen - first[1])[0]
        if seed is not None:
            growth = growth + torch.randn(map.shape, generator=torch.Generator().manual_seed(seed))
        moved = map + STEP * growth * (map - smooth)
        return moved if signed else moved.clamp(min=0.0)

    return again


def _regions(shape: Shape) -> Tensor:
    """Blocks of 3 voxels inside the brain, from 1 up, and the cube; 0 outside."""
    blocks = [-(-edge // REGION) for edge in shape]
    numbers = torch.arange(1, 1 + blocks[0] * blocks[1] * blocks[2]).reshape(blocks)
    for axis in range(3):
        numbers = numbers.repeat_interleave(REGION, dim=axis)
    regions = numbers[: shape[0], : shape[1], : shape[2]] * toy_brain(shape)
    regions[toy_cube(shape)] = int(numbers.max()) + 1
    return regions
