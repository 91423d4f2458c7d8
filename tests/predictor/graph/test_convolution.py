"""Convolutions of whole volumes and of parts: one answer, in either layout, with any geometry and precision."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from interpbench.predictor.graph.convolution import Convolution, Three, layout_of_parts

GEOMETRIES: dict[str, tuple[Three, Three, Three, int]] = {  # stride, padding, dilation, groups
    "plain": ((1, 1, 1), (1, 1, 1), (1, 1, 1), 1),
    "strided": ((2, 1, 3), (1, 0, 2), (1, 1, 1), 1),
    "dilated": ((1, 2, 1), (2, 1, 3), (2, 1, 3), 1),
    "grouped": ((1, 1, 1), (1, 1, 1), (1, 1, 1), 4),
    "of each channel": ((1, 2, 1), (0, 1, 1), (1, 1, 1), 8),
}


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def of(geometry: str, *, bias: bool = True) -> Convolution:
    stride, padding, dilation, groups = GEOMETRIES[geometry]
    weight = drawn(16, 8 // groups, 3, 2, 3)
    return Convolution(weight, drawn(16) if bias else None, stride, padding, dilation, groups)


def exact(convolution: Convolution, volumes: Tensor, padding: Three) -> Tensor:
    """In float64, by torch's own code."""
    bias = None if convolution.bias is None else convolution.bias.double()
    given = convolution.stride, padding, convolution.dilation, convolution.groups
    return F.conv3d(volumes.double(), convolution.weight.double(), bias, *given)


def error(found: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of the values' size."""
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_whole_and_part_are_the_convolution(geometry: str, bias: bool) -> None:
    convolution, volumes = of(geometry, bias=bias), drawn(1, 8, 9, 8, 10)
    assert error(convolution(volumes), exact(convolution, volumes, convolution.padding)) < 1e-6
    for padding in ((0, 0, 0), (1, 0, 2), convolution.padding):
        assert error(convolution(volumes, padding), exact(convolution, volumes, padding)) < 1e-6


@pytest.mark.parametrize("channels", [1, 8])
def test_a_part_comes_in_the_layout_of_parts_whatever_it_came_in(channels: int) -> None:
    convolution = Convolution(drawn(4, channels, 3, 3, 3), None, (1, 1, 1), (1, 1, 1), (1, 1, 1), 1)
    part = drawn(1, channels, 6, 7, 8)
    views = [part, part.to(memory_format=torch.channels_last_3d), drawn(1, channels, 9, 9, 9)[..., 1:7, 2:9, :8]]
    views[2].copy_(part)
    first, *others = (convolution(one, (0, 0, 0)) for one in views)
    for found in (first, *others):
        assert found.is_contiguous(memory_format=layout_of_parts(part.device))
        assert torch.equal(found, first)


@pytest.mark.parametrize(("precision", "allowed"), [(torch.float64, 1e-14), (torch.bfloat16, 2e-2)])
def test_in_another_precision(precision: torch.dtype, allowed: float) -> None:
    convolution, volumes = of("strided"), drawn(1, 8, 9, 8, 10)
    in_it = convolution.in_precision(precision)
    for found in (in_it(volumes), in_it(volumes, convolution.padding)):
        assert found.dtype == precision
        assert error(found, exact(convolution, volumes, convolution.padding)) < allowed


def test_without_onednn_torch_convolves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: False)
    convolution, volumes = of("dilated"), drawn(1, 8, 9, 8, 10)
    expected = exact(convolution, volumes, convolution.padding)
    for found in (convolution(volumes), convolution(volumes, convolution.padding)):
        assert found.is_contiguous()
        assert error(found, expected) < 1e-6


def test_a_part_is_rounded_no_worse_than_torch_rounds_in_channels_last() -> None:
    convolution = Convolution(drawn(256, 256, 3, 3, 3), None, (1, 1, 1), (1, 1, 1), (1, 1, 1), 1)
    volumes = drawn(1, 256, 9, 11, 9)
    truth = exact(convolution, volumes, (1, 1, 1))
    theirs = F.conv3d(volumes.contiguous(memory_format=torch.channels_last_3d), convolution.weight, None, 1, 1)
    part = convolution(volumes, (1, 1, 1))
    cut = convolution(volumes[..., :6, :7, :8], (0, 0, 0))
    inner = (..., slice(1, 5), slice(1, 6), slice(1, 7))
    assert spread(part - truth) < 1.2 * spread(theirs - truth)
    assert spread(cut - truth[inner]) < 1.2 * spread((theirs - truth)[inner])


def spread(errors: Tensor) -> float:
    return float(errors.square().mean().sqrt())
