"""Convolutions of random parts, in memory that was filled before: what the arithmetic leaves unwritten shows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from interpbench.predictor.graph.convolution import Convolution, Three

ALLOWED = {torch.float32: 3e-5, torch.bfloat16: 4e-2}  # of the output's size
SMALLEST = 1e-2  # an output that is smaller is a difference of larger numbers
CHANNELS_LAST = torch.channels_last_3d


@dataclass(frozen=True)
class Part:
    """A convolution's geometry, and the edges of what goes in."""

    channels: tuple[int, int]
    kernel: Three
    stride: Three
    dilation: Three
    padding: Three
    edges: Three
    groups: int = 1
    bias: bool = True
    rectified: bool = False
    last: bool = True  # whether channels come last in memory


def drawn(seed: int) -> Part:
    """Outputs have edges of 1 to 4 voxels; padding may be more than the kernel reaches."""
    r = random.Random(seed)
    groups = r.choice((1, 1, 1, 1, 2, 4))
    before, after = groups * r.choice((1, 1, 1, 2, 3, 8)), groups * r.choice((1, 2, 3, 5, 8, 16, 17))
    axes = []
    for _ in range(3):
        kernel, stride, dilation = r.choice((1, 2, 3, 3, 4, 5, 7)), r.choice((1, 1, 2, 3)), r.choice((1, 1, 1, 2, 3))
        padding, beyond = r.choice((0, 0, 1, 2)), r.randrange(stride)
        edge = (r.randint(1, 4) - 1) * stride + dilation * (kernel - 1) + 1 + beyond - 2 * padding
        axes.append((kernel, stride, dilation, *((padding, edge) if edge > 0 else (0, edge + 2 * padding))))
    of = [tuple(axis[which] for axis in axes) for which in range(5)]
    return Part((before, after), *of, groups, r.random() < 0.6, r.random() < 0.3, r.random() < 0.7)  # type: ignore[arg-type]


@contextmanager
def filled_memory() -> Iterator[None]:
    """Torch fills what it reserves with NaN; what oneDNN reserves may find large numbers."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    large = [torch.full((2**power,), 1e30) for power in range(6, 17) for _ in range(2)]
    del large
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def error(part: Part, dtype: torch.dtype, *, whole: bool) -> float:
    """The largest difference from torch's own convolution in float64, as a share of the output's size."""
    generator = torch.Generator().manual_seed(1)
    before, after = part.channels
    weight = torch.randn((after, before // part.groups, *part.kernel), generator=generator)
    bias = torch.randn(after, generator=generator) if part.bias else None
    given = part.stride, part.padding, part.dilation, part.groups
    convolution = Convolution(weight, bias, *given, part.rectified).in_precision(dtype)
    volume = torch.randn((1, before, *part.edges), generator=generator).to(dtype)
    bias = None if convolution.bias is None else convolution.bias.double()
    expected = F.conv3d(volume.double(), convolution.weight.double(), bias, *given)
    expected = expected.relu() if part.rectified else expected
    if part.last:
        volume = torch.empty(volume.shape, dtype=dtype, memory_format=CHANNELS_LAST).copy_(volume)
    with filled_memory():
        found: Tensor = convolution(volume) if whole else convolution(volume, part.padding)
    assert found.shape == expected.shape
    return float((found.double() - expected).abs().max() / expected.abs().max().clamp(min=SMALLEST))


def one_channel(kernel: Three, stride: Three, edges: Three, **given: object) -> Part:
    """Convolved without padding or dilation, where nothing else is given."""
    defaults = {"channels": (1, 8), "dilation": (1, 1, 1), "padding": (0, 0, 0)}
    return Part(kernel=kernel, stride=stride, edges=edges, **{**defaults, **given})  # type: ignore[arg-type]


FAULTS = {
    "one voxel wide along K, stride 2": one_channel((3, 3, 3), (1, 1, 2), (4, 5, 3)),
    "and another along I": one_channel((3, 4, 3), (2, 1, 3), (7, 7, 3)),
    "with voxels left over": one_channel((3, 1, 3), (1, 1, 3), (4, 6, 5)),
    "with padding": one_channel((5, 5, 7), (1, 1, 3), (5, 6, 5), padding=(1, 1, 1)),
    "one channel to one": one_channel((3, 3, 3), (1, 1, 2), (6, 8, 4), channels=(1, 1)),
    "a kernel of 1 with holes": one_channel(
        (1, 7, 1), (1, 2, 2), (1, 19, 1), channels=(3, 1), dilation=(2, 3, 2), padding=(0, 0, 1)
    ),
    "one voxel thick along I": one_channel((3, 3, 3), (1, 2, 1), (1, 7, 3), dilation=(2, 1, 1), padding=(2, 1, 0)),
    "one voxel thick along I, a channel a group": one_channel(
        (1, 3, 4), (1, 1, 2), (1, 6, 4), channels=(2, 16), groups=2, dilation=(1, 2, 1), padding=(0, 1, 0)
    ),
    "groups, a kernel of 1 with holes": one_channel(
        (3, 7, 1), (2, 3, 3), (3, 8, 2), channels=(16, 8), groups=4, dilation=(1, 1, 3), padding=(1, 1, 1)
    ),
}


@pytest.mark.parametrize("whole", [False, True], ids=["part", "whole"])
@pytest.mark.parametrize("dtype", ALLOWED, ids=["float32", "bfloat16"])
@pytest.mark.parametrize("kind", FAULTS)
def test_parts_that_onednn_gets_wrong_are_convolved_right(kind: str, dtype: torch.dtype, whole: bool) -> None:
    assert error(FAULTS[kind], dtype, whole=whole) < ALLOWED[dtype]


def wrong(seeds: range, dtype: torch.dtype) -> list[str]:
    """Which of the random parts are wrong."""
    found = []
    for seed in seeds:
        for whole in (False, True):
            largest = error(drawn(seed), dtype, whole=whole)
            if not largest < ALLOWED[dtype]:
                found.append(f"{seed}, {'whole' if whole else 'part'}: {largest:.2g}, {drawn(seed)}")
    return found


@pytest.mark.parametrize(("dtype", "number"), [(torch.float32, 200), (torch.bfloat16, 60)], ids=str)
def test_random_parts_are_convolved_right(dtype: torch.dtype, number: int) -> None:
    assert wrong(range(number), dtype) == []


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "number"), [(torch.float32, 3000), (torch.bfloat16, 500)], ids=str)
def test_thousands_of_random_parts_are_convolved_right(dtype: torch.dtype, number: int) -> None:
    assert wrong(range(10_000, 10_000 + number), dtype) == []
