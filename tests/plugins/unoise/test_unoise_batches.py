"""Batches are read in the background, and are those that reading in turn would give."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Sequence

import pytest
import torch

from interpbench import InputError, Sample
from interpbench.testing import cube_predictor, toy_samples
from interpbench_unoise import batches as module
from interpbench_unoise.batches import batches, collate, in_order
from interpbench_unoise.chosen import with_prediction, with_target

SHAPE = (6, 7, 8)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return toy_samples(cube_predictor(SHAPE), 9)


class Watched(Sequence[Sample]):
    """Samples that tell who was asked for, and by which thread."""

    def __init__(self, samples: Sequence[Sample], refused: int = -1) -> None:
        self.samples, self.refused = samples, refused
        self.asked: list[int] = []
        self.threads: set[str] = set()
        self.one_more = threading.Condition()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, place):
        with self.one_more:
            self.asked.append(place)
            self.threads.add(threading.current_thread().name)
            self.one_more.notify_all()
        if place == self.refused:
            raise InputError(f"{place}: refused")
        return self.samples[place]


def test_they_are_the_batches_that_reading_in_turn_gives(samples: list[Sample]) -> None:
    places = [[3, 1], [8, 0, 2], [5]]
    found = list(batches(samples, places, CPU))
    for batch, some in zip(found, places, strict=True):
        expected = collate([samples[place] for place in some], CPU)
        for name in ("volumes", "brains", "targets"):
            assert torch.equal(getattr(batch, name), getattr(expected, name))


def test_the_next_batch_is_read_while_the_present_one_is_worked_on(samples: list[Sample]) -> None:
    watched = Watched(samples)
    coming = batches(watched, [[0], [1], [2], [3]], CPU)
    next(coming)
    with watched.one_more:
        assert watched.one_more.wait_for(lambda: 1 in watched.asked, timeout=30)
    next(coming)
    with watched.one_more:
        assert watched.one_more.wait_for(lambda: 2 in watched.asked, timeout=30)
    assert 3 not in watched.asked  # no further ahead than one batch, whatever the memory
    assert threading.current_thread().name not in watched.threads
    coming.close()


def test_every_sample_comes_once_and_in_order(samples: list[Sample]) -> None:
    watched = Watched(samples)
    targets = torch.cat([batch.targets for batch in in_order(watched, 4, CPU)])
    assert watched.asked == list(range(9))
    assert targets.tolist() == pytest.approx([sample.target for sample in samples], rel=1e-6)
    assert list(in_order([], 4, CPU)) == []


def test_what_reading_raises_comes_where_the_batch_would(samples: list[Sample]) -> None:
    coming = batches(Watched(samples, refused=2), [[0], [2], [3]], CPU)
    assert len(next(coming)) == 1
    with pytest.raises(InputError, match="refused"):
        next(coming)


def test_no_thread_is_left_where_the_rest_is_not_asked_for(samples: list[Sample]) -> None:
    before = threading.active_count()
    coming = batches(samples, [[0], [1], [2]], CPU)
    next(coming)
    coming.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(("most", "sizes"), [(1, [1] * 5), (2 * 336, [2, 2, 1]), (10**9, [5])])
def test_parts_are_the_batch_and_no_larger_than_allowed(
    samples: list[Sample], monkeypatch: pytest.MonkeyPatch, most: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(module, "VOXELS_AT_ONCE", most)
    batch = collate(samples[:5], CPU)
    parts = list(batch.parts())
    assert [len(part) for _, part in parts] == sizes
    assert torch.equal(torch.cat([part.volumes for _, part in parts]), batch.volumes)
    for place, part in parts:
        assert torch.equal(part.targets, batch.targets[place])


def test_who_has_no_target_is_not_chosen(samples: list[Sample]) -> None:
    some = [dataclasses.replace(one, target=math.nan) if place % 2 else one for place, one in enumerate(samples)]
    chosen = with_target(some)
    assert [one.subject for one in chosen] == [one.subject for one in samples[::2]]
    assert [one.subject for one in chosen[1:3]] == [samples[2].subject, samples[4].subject]
    assert not len(with_target(some[1:2]))


def test_chosen_samples_are_read_when_they_are_asked_for(samples: list[Sample]) -> None:
    watched = Watched(samples)
    chosen = with_target(watched)
    watched.asked.clear()
    assert chosen[-1].subject == samples[-1].subject
    assert watched.asked == [8]


def test_the_prediction_without_noise_is_the_target_of_all(samples: list[Sample]) -> None:
    predictor = cube_predictor(SHAPE)
    ageless = [dataclasses.replace(one, target=math.nan) for one in samples]
    chosen = with_prediction(ageless, predictor, device=CPU, batch_size=4)
    expected = predictor.predict(torch.stack([one.volume for one in samples]))
    assert [one.target for one in chosen] == pytest.approx(expected.tolist(), rel=1e-5)
    assert torch.equal(chosen[4].volume, samples[4].volume)
