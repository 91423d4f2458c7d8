"""The values that replace hidden voxels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

Place = tuple[slice, slice, slice] | Tensor  # a box, or the voxels of a region `(I, J, K)` bool
Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
Fill = Callable[[Place], Tensor | float]  # what goes in there

REPLACEMENTS = ("zero", "image_mean", "box_mean", "blur", "noise")


def replacement_values(replacement: str, image: Tensor, brain: Tensor, *, sigma: float, seed: int) -> Fill:
    """The replacement values for each position of one image.

    Args:
        replacement: `zero`; `image_mean`, of the brain's voxels; `box_mean`, of the hidden voxels themselves; `blur`,
            the image after a Gaussian filter; `noise`, white, with mean and standard deviation of the brain's voxels.
        image: `(I, J, K)`.
        brain: `(I, J, K)` bool.
        sigma: of the blur, in voxels.
        seed: of the noise.
    """
    if replacement == "zero":
        return lambda _place: 0.0
    if replacement == "image_mean":
        mean = float(image[brain].double().mean())
        return lambda _place: mean
    if replacement == "box_mean":
        return lambda place: image[place].mean()
    other = _blurred(image, sigma) if replacement == "blur" else _noise(image, brain, seed)
    return lambda place: other[place]


def hull(place: Place) -> Box:
    """The smallest box around a place: from where to where along I, J and K."""
    if isinstance(place, Tensor):
        found = place.nonzero()
        starts, stops = found.amin(dim=0).tolist(), (found.amax(dim=0) + 1).tolist()
    else:
        starts, stops = [span.start for span in place], [span.stop for span in place]
    first, second, third = zip(starts, stops, strict=True)
    return first, second, third


def with_place_hidden(image: Tensor, place: Place, fill: Fill) -> Tensor:
    """A copy of the image `(I, J, K)` with the place filled."""
    copy = image.clone()
    copy[place] = fill(place)
    return copy


def hidden_box(image: Tensor, place: Place, fill: Fill) -> Tensor:
    """What the hull of a place holds with the place filled, `(i, j, k)`."""
    box = tuple(slice(*span) for span in hull(place))
    content = image[box].clone()
    content[place[box] if isinstance(place, Tensor) else ...] = fill(place)
    return content


def _blurred(image: Tensor, sigma: float) -> Tensor:
    return torch.from_numpy(gaussian_filter(image.cpu().numpy(), sigma, mode="nearest")).to(image)


def _noise(image: Tensor, brain: Tensor, seed: int) -> Tensor:
    """Drawn on the CPU, so that it is the same on every device."""
    inside = image[brain].double()
    white = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed)).to(image)
    return float(inside.mean()) + float(inside.std(correction=0)) * white
