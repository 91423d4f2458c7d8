"""How far the prediction moves when a place is hidden: forward passes, some at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from interpbench import track
from interpbench_occlusion.replacement import Fill, Place


@torch.no_grad()
def effects_of(
    predict: Callable[[Tensor], Tensor], volume: Tensor, places: Sequence[Place], fill: Fill, batch_size: int
) -> Tensor:
    """f(x) - f(x with the place filled otherwise), for each place.

    Args:
        predict: f, from `(B, 1, I, J, K)` to `(B,)`.
        volume: x, `(1, I, J, K)`.
        places: hidden one at a time.
        batch_size: passes at once.

    Returns:
        `(N,)` float64 on the CPU, in the unit of f.
    """
    clean = predict(volume[None]).double().cpu()
    hidden = torch.empty(len(places), dtype=torch.float64)
    steps = track(range(0, len(places), batch_size), "hiding", unit="batch")
    steps.leave = False  # one bar after the other, for many subjects
    for start in steps:
        some = places[start : start + batch_size]
        copies = volume.repeat(len(some), 1, 1, 1, 1)
        for copy, place in zip(copies[:, 0], some, strict=True):
            copy[place] = fill(place)
        hidden[start : start + len(some)] = predict(copies).double().cpu()
    return clean - hidden
