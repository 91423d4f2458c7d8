"""How far a hidden box reaches: the geometry of windows, against windows that are slid over a volume."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from interpbench import Recipe
from interpbench.kit import read_network
from interpbench_networks.torch_module import TorchModule
from interpbench_occlusion.reach import reach
from interpbench_occlusion.reading import program_of
from interpbench_occlusion.windows import Window

EDGE = 17  # of a volume that is one voxel wide along two axes
AXES = st.integers(0, 2)

windows = st.builds(
    lambda kernel, stride, dilation, padding: (kernel, stride, dilation, padding % (kernel // 2 + 1)),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 6),
    dilation=st.integers(1, 3),
    padding=st.integers(0, 2),
)
spans = st.tuples(st.integers(0, EDGE - 1), st.integers(1, EDGE)).map(lambda one: (one[0], min(EDGE, one[0] + one[1])))


def along(axis: int, value: int, other: int = 1) -> tuple[int, int, int]:
    first, second, third = (value if index == axis else other for index in range(3))
    return first, second, third


def line(axis: int, values: Tensor) -> Tensor:
    """Values along one axis of a volume."""
    return values.double().reshape(1, 1, *along(axis, len(values)))


def slid(kind: str, axis: int, one: tuple[int, int, int, int], values: Tensor) -> Tensor:
    """What comes out of the line, by torch: a change of any value changes all that see it."""
    kernel, stride, dilation, padding = one
    given = {"stride": along(axis, stride), "padding": along(axis, padding, 0), "dilation": along(axis, dilation)}
    if kind == "convolution":
        weight = torch.linspace(1, 2, kernel, dtype=torch.float64).reshape(1, 1, *along(axis, kernel))
        return F.conv3d(line(axis, values), weight, **given).flatten()
    return F.max_pool3d(line(axis, values), along(axis, kernel), ceil_mode=kind == "to the end", **given).flatten()


def window_of(axis: int, one: tuple[int, int, int, int]) -> Window:
    kernel, stride, dilation, padding = one
    return Window(along(axis, kernel), along(axis, stride), along(axis, padding, 0), along(axis, dilation))


def fits(one: tuple[int, int, int, int]) -> bool:
    return one[2] * (one[0] - 1) + 1 <= EDGE + 2 * one[3]


def changed(kind: str, axis: int, one: tuple[int, int, int, int], span: tuple[int, int]) -> tuple[list[int], int]:
    """Which places of the output change where a span of the input does, and how many there are."""
    values = torch.linspace(1, 2, EDGE)
    other = values.clone()
    other[slice(*span)] += 10  # the largest of any window that sees it
    before, after = (slid(kind, axis, one, line) for line in (values, other))
    return (before != after).nonzero().flatten().tolist(), len(before)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["convolution", "pooling", "to the end"]), AXES, windows.filter(fits), spans)
def test_what_changes_where_a_span_does_is_what_the_window_says(
    kind: str, axis: int, one: tuple[int, int, int, int], span: tuple[int, int]
) -> None:
    found, edge = changed(kind, axis, one, span)
    start, stop = window_of(axis, one).reached(axis, span, edge)
    assert all(start <= place < stop for place in found)
    if one[2] == 1:  # a window with holes may look past the span
        assert found == list(range(start, stop))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(AXES, windows.filter(fits), st.data())
def test_a_span_of_the_output_is_made_of_what_the_window_says_and_nothing_less(
    axis: int, one: tuple[int, int, int, int], data: st.DataObject
) -> None:
    edge = len(slid("convolution", axis, one, torch.zeros(EDGE)))
    start = data.draw(st.integers(0, edge - 1))
    stop = data.draw(st.integers(start + 1, edge))
    first, last = window_of(axis, one).needed(axis, (start, stop))
    matter = [
        place
        for place in range(EDGE)
        if set(changed("convolution", axis, one, (place, place + 1))[0]) & set(range(start, stop))
    ]
    assert all(first <= place < last for place in matter)
    ends = [place for place in (first, last - 1) if 0 <= place < EDGE]
    assert set(ends) <= set(matter)


@settings(max_examples=50, deadline=None)
@given(AXES, windows.filter(fits), st.data())
def test_what_a_window_needs_makes_just_so_many_places(
    axis: int, one: tuple[int, int, int, int], data: st.DataObject
) -> None:
    edge = len(slid("convolution", axis, one, torch.zeros(EDGE)))
    start = data.draw(st.integers(0, edge - 1))
    stop = data.draw(st.integers(start + 1, edge))
    first, last = window_of(axis, one).needed(axis, (start, stop))
    kernel, stride, dilation, _ = one
    assert len(slid("convolution", axis, (kernel, stride, dilation, 0), torch.zeros(last - first))) == stop - start


def widths(
    network: nn.Module, axis: int, span: tuple[int, int], dropped: tuple[int, ...] = ()
) -> list[tuple[int, int]]:
    """Where a span of the volume reaches after each of a network's steps."""
    shape = along(axis, EDGE, 4)
    whole = nn.Sequential(network, nn.AdaptiveAvgPool3d(1), nn.Flatten())
    predictor = TorchModule().loaded(whole, Recipe(shape=shape, voxel_size=4.0))
    program = program_of(read_network(predictor, torch.zeros(1, 1, *shape)).network)
    steps = [step for step in program.steps if step.local]
    found = reach(program, steps, axis, span, [steps[index].result for index in dropped])
    return [found[step.result] for step in steps]


def test_a_box_grows_by_one_voxel_on_each_side_with_each_window_of_three() -> None:
    network = nn.Sequential(*(nn.Conv3d(1, 1, 3, padding=1) for _ in range(3)))
    assert widths(network, 2, (8, 10)) == [(7, 11), (6, 12), (5, 13)]


def test_at_the_volumes_end_it_is_cut_off() -> None:
    network = nn.Sequential(*(nn.Conv3d(1, 1, 3, padding=1) for _ in range(3)))
    assert widths(network, 0, (0, 2)) == [(0, 3), (0, 4), (0, 5)]
    assert widths(network, 1, (15, 17)) == [(14, 17), (13, 17), (12, 17)]


def test_a_stride_of_two_halves_it() -> None:
    network = nn.Sequential(nn.Conv3d(1, 1, 1, stride=2), nn.MaxPool3d(2))
    assert widths(network, 2, (4, 12)) == [(2, 6), (1, 3)]


def test_an_activation_that_is_not_kept_is_worked_out_as_far_as_the_next_window_needs_it() -> None:
    network = nn.Sequential(nn.Conv3d(1, 1, 3, padding=1), nn.ReLU(), nn.Conv3d(1, 1, 3, padding=1))
    assert widths(network, 2, (8, 9)) == [(7, 10), (7, 10), (6, 11)]
    assert widths(network, 2, (8, 9), dropped=(1,)) == [(5, 12), (5, 12), (6, 11)]
