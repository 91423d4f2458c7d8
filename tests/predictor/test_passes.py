"""Passes through a network are counted, in whatever batches and by whatever way, and nothing stays behind."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from interpbench.host.untouched import untouched
from interpbench.kit import forward_only
from interpbench.predictor.passes import counted_passes
from interpbench.testing import cube_predictor, toy_brains
from interpbench.testing.snapshot import Snapshot

SHAPE = (6, 7, 8)


def test_volumes_count_and_not_calls() -> None:
    predictor, volumes = cube_predictor(SHAPE), toy_brains(5, SHAPE)
    with counted_passes(predictor.module) as passes:
        predictor.predict(volumes)
        predictor.predict(volumes[:2])
    assert (passes.forward, passes.backward) == (7, 0)


def test_gradients_count_when_they_go_back() -> None:
    predictor, volumes = cube_predictor(SHAPE), toy_brains(3, SHAPE).requires_grad_(True)
    with counted_passes(predictor.module) as passes:
        predictions = predictor.predict(volumes)
        assert passes.backward == 0
        predictions.sum().backward()
        torch.autograd.grad(predictor.predict(volumes).sum(), volumes)
    assert (passes.forward, passes.backward) == (6, 6)


def test_a_frozen_network_tells_of_its_passes() -> None:
    predictor, volumes = cube_predictor(SHAPE, nonlinear=True), toy_brains(4, SHAPE)
    forward = forward_only(predictor, volumes)
    calls = predictor.charge.calls
    with counted_passes(predictor.module) as passes:
        forward(volumes)
    assert predictor.charge.calls == calls  # it is frozen: the network itself was not called
    assert passes.forward == 4


def test_counting_does_not_keep_a_network_from_being_frozen() -> None:
    predictor, volumes = cube_predictor(SHAPE, nonlinear=True), toy_brains(4, SHAPE)
    with counted_passes(predictor.module) as passes:
        forward = forward_only(predictor, volumes)
        before, calls = passes.forward, predictor.charge.calls
        forward(volumes)
    assert predictor.charge.calls == calls
    assert passes.forward == before + 4


def test_a_copy_of_the_network_counts_into_the_same() -> None:
    predictor, volumes = cube_predictor(SHAPE), toy_brains(2, SHAPE)
    with counted_passes(predictor.module) as passes:
        copy.deepcopy(predictor).predict(volumes)
    assert passes.forward == 2


def test_it_counts_inside_untouched_too() -> None:
    predictor, volumes = cube_predictor(SHAPE), toy_brains(2, SHAPE)
    with counted_passes(predictor.module) as passes, untouched(predictor.module):
        predictor.predict(volumes)
    assert passes.forward == 2


def test_two_may_count_at_once() -> None:
    predictor, volumes = cube_predictor(SHAPE), toy_brains(2, SHAPE)
    with counted_passes(predictor.module) as outer:
        predictor.predict(volumes)
        with counted_passes(predictor.module) as inner:
            predictor.predict(volumes)
    assert (outer.forward, inner.forward) == (4, 2)


class Listing(nn.Module):
    def forward(self, volumes: Tensor) -> list[Tensor]:
        return [volumes.flatten(1).sum(dim=1)]


def test_a_network_that_returns_a_list_is_counted() -> None:
    module, volumes = Listing(), toy_brains(3, SHAPE).requires_grad_(True)
    with counted_passes(module) as passes:
        module(volumes)[0].sum().backward()
    assert (passes.forward, passes.backward) == (3, 3)


def test_nothing_stays_behind_also_after_an_error() -> None:
    predictor = cube_predictor(SHAPE)
    before = Snapshot(predictor)
    with pytest.raises(RuntimeError), counted_passes(predictor.module):
        raise RuntimeError
    assert not before.changes()
