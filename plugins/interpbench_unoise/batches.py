"""Batches of samples on the device; the next one is read while the current one is processed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from interpbench import InputError, Sample, track
from interpbench.kit import layout_for

VOXELS_AT_ONCE = 2**20  # that a CPU works on together: more takes memory, and fewer take slow paths of torch


@dataclass(frozen=True)
class Batch:
    """A batch of subjects on the device."""

    volumes: Tensor  # (B, 1, I, J, K)
    brains: Tensor  # (B, 1, I, J, K), 1 inside the brain and 0 outside
    targets: Tensor  # (B,), in the predictor's unit

    def __len__(self) -> int:
        return len(self.targets)

    def parts(self) -> Iterator[tuple[slice, Batch]]:
        """Parts of the batch that fit into memory, with their positions; their gradients add up to the batch's."""
        for place in places_at_once(self.volumes):
            yield place, Batch(self.volumes[place], self.brains[place], self.targets[place])


def places_at_once(volumes: Tensor) -> Iterator[slice]:
    """Positions of the parts of a batch `(B, 1, I, J, K)`: the whole batch on a GPU, `VOXELS_AT_ONCE` on a CPU."""
    number = len(volumes)
    most = number if volumes.device.type != "cpu" else max(1, VOXELS_AT_ONCE // volumes[0].numel())
    start = 0
    for part in torch.arange(number).tensor_split(math.ceil(number / most)):
        yield slice(start, start + len(part))
        start += len(part)


def batches(samples: Sequence[Sample], places: Sequence[Sequence[int]], device: torch.device) -> Iterator[Batch]:
    """A batch for each list of positions; the samples of the next one are read in the background."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        ahead = None
        for some in places:
            coming = reader.submit(_read, samples, some, device)
            if ahead is not None:
                yield ahead.result()
            ahead = coming
        if ahead is not None:
            yield ahead.result()


def in_order(samples: Sequence[Sample], size: int, device: torch.device, what: str = "") -> Iterator[Batch]:
    """Every sample once, in order.

    Args:
        what: is being done, for a bar that shows it.
    """
    places = [range(start, min(start + size, len(samples))) for start in range(0, len(samples), size)]
    found = batches(samples, places, device)
    yield from track(found, what, total=len(places), unit="batch") if what else found


def collate(samples: Sequence[Sample], device: torch.device) -> Batch:
    """Put samples together on a device, in the layout that is fast there.

    Raises:
        InputError: no voxel of a sample is brain: a mean over its brain would be NaN, and so would all weights.
    """
    for sample in samples:
        if not bool(sample.brain.any()):
            raise InputError(
                f"sub-{sample.subject}: no voxel of the network's grid is brain, so nothing can be learned."
            )
    volumes = torch.stack([sample.volume for sample in samples]).to(device)
    brains = torch.stack([sample.brain for sample in samples])[:, None].to(device, torch.float32)
    targets = torch.tensor([sample.target for sample in samples], dtype=torch.float32, device=device)
    return Batch(volumes.contiguous(memory_format=layout_for(device)), brains, targets)


def _read(samples: Sequence[Sample], places: Sequence[int], device: torch.device) -> Batch:
    return collate([samples[place] for place in places], device)
