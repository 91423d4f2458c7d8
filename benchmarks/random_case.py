"""Random subjects and a random predictor of a given size, and the memory of this process, for figures of cost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def random_brains(number: int, shape: tuple[int, int, int]) -> list[Any]:
    """Ellipsoids of smooth noise, zero mean and unit variance inside, exactly 0 outside; ages from 44 to 73."""
    import torch

    from interpbench import Sample

    axes = torch.meshgrid(*(torch.linspace(-1.1, 1.1, edge) for edge in shape), indexing="ij")
    brain = torch.stack(axes).square().sum(0) < 1
    found = []
    for place in range(number):
        generator = torch.Generator().manual_seed(place)
        values = torch.nn.functional.avg_pool3d(torch.randn((1, 1, *shape), generator=generator), 3, 1, 1)[0, 0]
        inside = values[brain]
        volume = torch.where(brain, (values - inside.mean()) / inside.std(), 0.0)
        age = 44 + 29 * (place + 0.5) / number
        found.append(Sample(subject=str(place), volume=volume[None], brain=brain, target=age))
    return found


def random_predictor(shape: tuple[int, int, int], width: int, first_stride: int, device: Any) -> Any:
    """A ResNet-18 with random weights."""
    from interpbench import Recipe
    from interpbench.kit import settle
    from interpbench_networks.resnet18 import ResNet18

    blank = ResNet18(width=width, first_stride=first_stride)
    return blank.loaded(settle(blank.build(shape), device), Recipe(shape=shape, voxel_size=1.0), offset=58.0)


def memory(device: Any, peak: bool = False) -> float | None:
    """Memory of this process in GiB: resident, or on a GPU torch's allocations."""
    import torch

    if device.type == "cuda":
        bytes_ = torch.cuda.max_memory_allocated(device) if peak else torch.cuda.memory_allocated(device)
        return round(bytes_ / 2**30, 3)
    status = Path("/proc/self/status")
    if status.is_file():  # of this process alone; `getrusage` counts its parent's peak as well
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM" if peak else "VmRSS"))
        return round(int(line.split()[1]) / 2**20, 3)
    if not peak:
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30, 3)


def shape_of(word: str) -> tuple[int, int, int]:
    """Three edges from a word such as 70x88x70."""
    i, j, k = (int(edge) for edge in word.split("x"))
    return i, j, k
