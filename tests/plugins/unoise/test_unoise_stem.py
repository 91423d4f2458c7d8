"""The first convolution with ReLU and pooling, slab by slab, is what torch makes of them, gradients included."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpbench_unoise import stem
from interpbench_unoise.stem import Pool, Stem, channels_last

SHAPES = [(13, 12, 15), (16, 9, 11)]
POOLS = [((3, 3, 3), (2, 2, 2), (1, 1, 1)), ((2, 2, 2), (2, 2, 2), (0, 0, 0)), ((3, 2, 4), (1, 2, 3), (1, 1, 0))]
KERNELS = [((7, 7, 7), (3, 3, 3)), ((3, 5, 4), (1, 0, 2)), ((1, 1, 1), (0, 0, 0))]


def pair(kernel: tuple, padding: tuple, pool: tuple, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, nn.Module]:
    """What torch does, and the stem, with the same weights."""
    torch.manual_seed(0)
    layer = nn.Conv3d(1, 6, kernel, padding=padding).to(dtype).requires_grad_(False)
    return nn.Sequential(layer, nn.ReLU(), nn.MaxPool3d(*pool)), Stem(layer, padding, Pool(*pool))


def answer(network: nn.Module, volumes: Tensor) -> tuple[Tensor, Tensor]:
    volumes = volumes.clone().requires_grad_(True)
    found = network(volumes)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(1), dtype=found.dtype)
    return found.detach(), torch.autograd.grad((found * weights).sum(), volumes)[0]


@pytest.mark.parametrize("slab", [1, 2**14, 2**24])
@pytest.mark.parametrize(("kernel", "pool"), list(itertools.product(KERNELS, POOLS)))
def test_features_and_gradients_are_torch_s(
    kernel: tuple, pool: tuple, slab: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stem, "SLAB_BYTES", slab)
    plain, quick = pair(*kernel, pool)
    for shape in SHAPES:
        volumes = torch.randn(2, 1, *shape, dtype=torch.float64)
        (first, by_first), (second, by_second) = answer(plain, volumes), answer(quick, volumes)
        torch.testing.assert_close(second, first)
        torch.testing.assert_close(by_second, by_first)


def test_in_float32_they_agree_to_a_millionth_and_in_bfloat16_to_its_rounding() -> None:
    volumes = torch.randn(1, 1, 20, 22, 18)
    plain, quick = pair(*KERNELS[0], POOLS[0], torch.float32)
    (first, by_first), (second, by_second) = answer(plain, volumes), answer(quick, volumes)
    assert float((first - second).abs().max() / first.abs().max()) < 1e-6
    assert float((by_first - by_second).abs().max() / by_first.abs().max()) < 1e-5
    rough = pair(*KERNELS[0], POOLS[0], torch.bfloat16)[1]
    third, by_third = answer(rough, volumes)
    assert third.dtype == torch.bfloat16 and by_third.dtype == torch.float32
    assert float((first - third.float()).norm() / first.norm()) < 0.01
    assert float((by_first - by_third).norm() / by_first.norm()) < 0.2  # maxima that tie in 8 bits


def test_what_comes_out_has_its_channels_last() -> None:
    found = pair(*KERNELS[0], POOLS[0])[1](torch.randn(1, 1, 12, 14, 10, dtype=torch.float64))
    assert found.is_contiguous(memory_format=torch.channels_last_3d)
    convolved = F.conv3d(channels_last(torch.randn(2, 1, 6, 7, 8)), torch.randn(4, 1, 3, 3, 3))
    assert convolved.is_contiguous(memory_format=torch.channels_last_3d)


def test_autocast_does_not_change_it() -> None:
    quick = pair(*KERNELS[0], POOLS[0], torch.float32)[1]
    volumes = torch.randn(1, 1, 12, 14, 10)
    with torch.autocast("cpu", torch.bfloat16):
        inside = quick(volumes)
    torch.testing.assert_close(inside, quick(volumes), rtol=0, atol=0)
