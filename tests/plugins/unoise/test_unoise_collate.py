"""How subjects are put together, and how a batch is cut: nothing lost, nothing twice, nothing changed."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest
import torch

from interpbench import InputError, Sample
from interpbench.progress import progress_bars
from interpbench_unoise import batches as module
from interpbench_unoise.batches import Batch, batches, collate, in_order, places_at_once


def test_a_batch_holds_each_subject_s_volume_brain_and_target(people: list[Sample], cpu: torch.device) -> None:
    batch = collate(people[:3], cpu)
    assert len(batch) == 3 and batch.volumes.shape == batch.brains.shape == (3, 1, 6, 7, 4)
    assert {batch.volumes.dtype, batch.brains.dtype, batch.targets.dtype} == {torch.float32}
    for place, one in enumerate(people[:3]):
        assert torch.equal(batch.volumes[place], one.volume)
        assert torch.equal(batch.brains[place, 0], one.brain.float())
        assert float(batch.targets[place]) == pytest.approx(one.target, rel=1e-6)


def test_a_batch_shares_no_memory_with_its_subjects(people: list[Sample], cpu: torch.device) -> None:
    batch, before = collate(people[:1], cpu), people[0].volume.clone()
    batch.volumes.fill_(9.0)
    batch.brains.fill_(9.0)
    assert torch.equal(people[0].volume, before) and people[0].brain.dtype == torch.bool


def test_an_unknown_target_stays_unknown(people: list[Sample], cpu: torch.device) -> None:
    some = [people[0], dataclasses.replace(people[1], target=math.nan)]
    assert collate(some, cpu).targets.isnan().tolist() == [False, True]


def test_on_a_cpu_volumes_lie_as_its_convolutions_are_fast(people: list[Sample], cpu: torch.device) -> None:
    assert collate(people[:2], cpu).volumes.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("size", [1, 4, 5, 12, 30])
def test_reading_in_order_gives_everybody_once_the_last_batch_being_smaller(
    people: list[Sample], cpu: torch.device, size: int
) -> None:
    found = list(in_order(people, size, cpu))
    assert [len(batch) for batch in found] == [min(size, 12 - start) for start in range(0, 12, size)]
    volumes = torch.cat([batch.volumes for batch in found])
    assert torch.equal(volumes, torch.stack([one.volume for one in people]))


@pytest.mark.parametrize("voxels", [1, 168, 169, 3 * 168, 10**9])
@pytest.mark.parametrize("number", [1, 2, 7, 12])
def test_parts_follow_each_other_without_gap_or_overlap_and_are_of_like_size(
    people: list[Sample], cpu: torch.device, monkeypatch: pytest.MonkeyPatch, voxels: int, number: int
) -> None:
    """168 voxels a subject: as many at once as fit, one at least, and no more parts than that takes."""
    monkeypatch.setattr(module, "VOXELS_AT_ONCE", voxels)
    batch = collate(people[:number], cpu)
    places = list(places_at_once(batch.volumes))
    assert [one for place in places for one in range(number)[place]] == list(range(number))
    sizes = [place.stop - place.start for place in places]
    most = max(1, voxels // 168)
    assert len(sizes) == math.ceil(number / most) and max(sizes) <= most and max(sizes) - min(sizes) <= 1
    for place, part in batch.parts():
        assert isinstance(part, Batch) and len(part) == len(part.volumes) == place.stop - place.start
        assert torch.equal(part.volumes, batch.volumes[place]) and torch.equal(part.brains, batch.brains[place])


def test_a_subject_may_come_twice_and_in_any_place(people: list[Sample], cpu: torch.device) -> None:
    (batch,) = batches(people, [[3, 0, 3]], cpu)
    assert torch.equal(batch.volumes[0], batch.volumes[2]) and torch.equal(batch.volumes[1], people[0].volume)


def test_without_a_place_there_is_no_batch(people: list[Sample], cpu: torch.device) -> None:
    assert list(batches(people, [], cpu)) == []


def test_a_subject_without_a_brain_is_refused_by_name(people, cpu):
    empty = dataclasses.replace(people[1], brain=torch.zeros_like(people[1].brain))
    with pytest.raises(InputError, match=f"sub-{empty.subject}: no voxel of the network's grid is brain"):
        collate([people[0], empty], cpu)
    with pytest.raises(InputError, match="no voxel of the network's grid is brain"):
        list(in_order([people[0], empty], 1, cpu))


def test_a_bar_tells_what_is_done_in_order(people, cpu, capsys):
    with progress_bars(True):
        named, silent = list(in_order(people, 2, cpu, "measuring")), list(in_order(people, 2, cpu))
    assert [one.targets.tolist() for one in named] == [one.targets.tolist() for one in silent]
    told = capsys.readouterr().err
    assert f"{len(named)}/{len(named)}" in told
    assert set(re.findall(r"([a-z]+):", told)) == {"measuring"}
