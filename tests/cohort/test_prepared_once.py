"""What was prepared of a subject is taken by whoever needs it next, in this process or another."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from interpbench.cohort.prepared_cache import PreparedCache
from interpbench.cohort.prepared_once import PreparedOnce, signatures_of
from interpbench.cohort.prepared_shelf import HEAD, PreparedShelf
from interpbench.cohort.subjects import Subject
from interpbench.errors import InputError
from interpbench.images.prepared import Prepared
from interpbench.images.recipe import Recipe
from interpbench.images.volume import write_map

RECIPE = Recipe(shape=(6, 7, 8), voxel_size=2.0)
CPU = torch.device("cpu")


def write_image(path: Path, seed: int) -> Path:
    data = np.zeros((8, 9, 10))
    data[2:6, 2:7, 3:8] = np.random.default_rng(seed).normal(100, 10, (4, 5, 5))
    write_map(path, data, affine=np.diag([2.0, 2, 2, 1]))
    return path


@pytest.fixture
def people(tmp_path: Path) -> list[Subject]:
    """Three subjects, of whom the second cannot be read."""
    found = [Subject(f"0{one}", write_image(tmp_path / f"0{one}.nii.gz", one), 50.0) for one in range(3)]
    found[1].image.write_bytes(b"no image")
    return found


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The labels of those who are prepared, as they are."""
    labels, prepare = list[str](), Recipe.prepare

    def counted(self: Recipe, subject: Subject) -> Prepared:
        labels.append(subject.id)
        return prepare(self, subject)

    monkeypatch.setattr(Recipe, "prepare", counted)
    return labels


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("learn", [False, True])
def test_who_a_predictor_was_tried_on_is_not_prepared_again(people, prepared, tmp_path, cached, learn) -> None:
    once = PreparedOnce(RECIPE, PreparedCache(tmp_path / "cache") if cached else None)
    first = once.first_volumes(people, CPU, learn=learn)
    assert first.shape == (2, 1, *RECIPE.shape) and prepared == ["00", "01", "02"]
    for subject, volume in ((people[0], first[0]), (people[2], first[1])):
        found = once.voxels(subject)[0] if learn else once.whole(subject).volume
        assert torch.equal(found, volume)
    with pytest.raises(InputError, match="01"):
        once.voxels(people[1]) if learn else once.whole(people[1])
    assert prepared == ["00", "01", "02"]


def test_what_is_held_is_let_go_when_it_is_taken(people, prepared) -> None:
    once = PreparedOnce(RECIPE)
    once.first_volumes(people[:1], CPU)
    once.whole(people[0]), once.whole(people[0])
    assert prepared == ["00", "00"]


def test_an_image_that_changed_since_the_trial_is_prepared_anew(people, prepared) -> None:
    once = PreparedOnce(RECIPE)
    before = once.first_volumes(people[:1], CPU)[0]
    write_image(people[0].image, 9)
    assert not torch.equal(once.whole(people[0]).volume, before) and prepared == ["00", "00"]


@pytest.fixture
def shelved(people, tmp_path):
    """A function that gives another step's view of one shelf."""
    (tmp_path / "run").mkdir()
    with PreparedShelf(tmp_path / "run", people, RECIPE.shape) as shelf:

        def step() -> PreparedOnce:
            once = PreparedOnce(RECIPE)
            once.shelf = shelf
            return once

        yield step
    assert not list((tmp_path / "run").iterdir())


def test_a_shelf_gives_back_what_was_prepared(people, prepared, shelved: Callable[[], PreparedOnce]) -> None:
    first = shelved().whole(people[0])
    again = shelved().whole(people[0])
    assert prepared == ["00"]
    assert torch.equal(first.volume, again.volume) and torch.equal(first.brain, again.brain)
    assert again.volume.dtype == torch.float32 and again.brain.dtype == torch.bool
    assert np.array_equal(first.affine, again.affine) and first.exact == again.exact and first.holes == again.holes
    assert first.warnings == again.warnings
    assert [one.kind for one in first.warnings] == [one.kind for one in again.warnings]
    map = torch.rand(first.source.data.shape[1:])
    assert torch.equal(first.to_network_grid(map), again.to_network_grid(map))
    shelved().voxels(people[0])
    assert prepared == ["00"]


def test_a_shelf_remembers_who_was_refused_and_why(people, prepared, shelved) -> None:
    for _ in range(2):
        with pytest.raises(InputError, match=r"01\.nii\.gz"):
            shelved().whole(people[1])
    assert prepared == ["01"]


def test_a_shelf_gives_nothing_of_an_image_that_changed(people, prepared, shelved) -> None:
    shelved().whole(people[0])
    write_image(people[0].image, 9)
    assert torch.equal(shelved().whole(people[0]).volume, RECIPE.prepare(people[0]).volume)
    assert prepared == ["00", "00", "00"]  # the last one here


@pytest.mark.parametrize("place", [0, 1])
def test_an_image_that_changes_while_it_is_prepared_is_prepared_anew(people, shelved, monkeypatch, place) -> None:
    once, prepare = shelved(), Recipe.prepare
    subject = people[place]

    def changing(self: Recipe, one: Subject) -> Prepared:
        try:
            return prepare(self, one)
        finally:
            write_image(subject.image, 7)

    monkeypatch.setattr(Recipe, "prepare", changing)
    with contextlib.suppress(InputError):
        once.whole(subject)
    monkeypatch.setattr(Recipe, "prepare", prepare)
    assert torch.equal(once.whole(subject).volume, RECIPE.prepare(subject).volume)


def test_who_has_no_place_is_prepared_each_time(people, prepared, shelved, tmp_path) -> None:
    stranger = Subject("09", write_image(tmp_path / "09.nii.gz", 9), 50.0)
    shelved().whole(stranger), shelved().whole(stranger)
    assert prepared == ["09", "09"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
def test_what_a_forked_process_prepares_is_there_for_the_caller(people, prepared, shelved) -> None:
    caller = shelved()
    child = os.fork()
    if child == 0:
        caller.whole(people[2])
        os._exit(0)
    os.waitpid(child, 0)
    there = caller.whole(people[2])
    assert prepared == [] and torch.equal(there.volume, Recipe.from_json(RECIPE.to_json()).prepare(people[2]).volume)


def test_on_a_full_disk_it_is_told_once_and_everybody_is_prepared_again(
    people, prepared, shelved, monkeypatch, caplog
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    for _ in range(2):
        assert shelved().whole(people[0]).volume.any()
    assert prepared == ["00", "00"] and len(caplog.records) == 1 and "No space left" in caplog.text


def test_a_subject_of_whom_too_much_is_told_is_not_kept(people, shelved) -> None:
    found = RECIPE.prepare(people[0])
    long = Prepared(**{**vars(found), "warnings": ("x" * HEAD,)})
    once = shelved()
    once.shelf.keep(people[0], long, signatures_of(people[0]))
    assert once.shelf.take(people[0]) is None
