"""Samples that several threads ask for, and places of a shelf that never overlap."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from interpbench.cohort.prepared_once import signatures_of
from interpbench.cohort.prepared_shelf import PreparedShelf
from interpbench.cohort.samples import Samples
from interpbench.cohort.subjects import Subject
from interpbench.errors import InputError
from interpbench.images.prepared import Prepared
from interpbench.images.recipe import Recipe
from interpbench.images.volume import Volume

SHAPE = (2, 3, 5)
SIZE = 5 * math.prod(SHAPE)  # bytes of a sample
RECIPE = Recipe(shape=SHAPE, voxel_size=2.0)


class Preparing:
    """Stands in for `PreparedOnce`: counts who was prepared."""

    def __init__(self, *, together: int = 1) -> None:
        self.asked: list[str] = []
        self.barrier = threading.Barrier(together)

    def voxels(self, subject: Subject) -> Any:
        self.barrier.wait()
        self.asked.append(subject.id)
        return torch.full((1, *SHAPE), float(subject.id)), torch.ones(SHAPE, dtype=torch.bool), (f"of {subject.id}",)


def people(count: int) -> list[Subject]:
    return [Subject(str(at), Path(f"{at}.nii"), 50.0 + at) for at in range(count)]


def samples(count: int, room: int, preparing: Any) -> Samples:
    return Samples(people(count), RECIPE, cache_bytes=room, prepared=preparing)


@pytest.mark.parametrize(("room", "kept"), [(0, 0), (SIZE - 1, 0), (SIZE, 1), (3 * SIZE + 1, 3), (99 * SIZE, 6)])
def test_as_many_are_kept_as_fit_and_the_rest_is_prepared_each_time(room: int, kept: int) -> None:
    preparing = Preparing()
    found = samples(6, room, preparing)
    for _ in range(3):
        assert [float(one.volume.max()) for one in found] == [0, 1, 2, 3, 4, 5]
    assert len(preparing.asked) == kept + 3 * (6 - kept)
    assert found.doubts == {str(at): (f"of {at}",) for at in range(6)}


def test_threads_that_ask_for_one_at_once_get_one_and_it_takes_room_once() -> None:
    preparing = Preparing(together=4)
    found = samples(1, 2 * SIZE, preparing)
    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(lambda _: found[0], range(4)))
    assert len(preparing.asked) == 4  # all of them were inside together
    assert {id(one) for one in given} == {id(found[0])}
    assert found[0] is found[0] and found._room == SIZE


def test_without_some_the_others_keep_what_is_kept_in_their_new_places() -> None:
    preparing = Preparing()
    found = samples(5, 99 * SIZE, preparing)
    first = list(found)
    left = found.without(found.subjects[1:3])
    assert [one.subject for one in left] == ["0", "3", "4"]
    assert [left[at] is first[old] for at, old in enumerate((0, 3, 4))] == [True] * 3
    assert len(preparing.asked) == 5 and left.doubts == found.doubts and left.target(left.subjects[1]) == 53.0


@pytest.mark.parametrize("index", [5, -6, 99])
def test_beyond_the_ends_is_no_sample(index: int) -> None:
    with pytest.raises(IndexError):
        samples(5, 0, Preparing())[index]


@pytest.mark.parametrize("part", [slice(None), slice(None, None, -1), slice(1, 99, 2), slice(-2, None), slice(3, 1)])
def test_a_part_is_that_of_a_list(part: slice) -> None:
    assert [one.subject for one in samples(5, 0, Preparing())[part]] == list("01234")[part]


# A shelf


def prepared(seed: int, shape: tuple[int, int, int] = SHAPE) -> Prepared:
    random = np.random.default_rng(seed)
    volume = torch.from_numpy(random.normal(size=(1, *shape)).astype(np.float32))
    brain = torch.from_numpy(random.random(shape) < 0.5)
    source = Volume(torch.zeros(1, 4, 5, 6), random.normal(size=(4, 4)))
    inside = torch.zeros(4, 5, 6, dtype=torch.bool)
    return Prepared(volume, brain, random.normal(size=(4, 4)), source, inside, bool(seed % 2), (f"odd ä {seed}",))


@pytest.fixture
def there(tmp_path: Path) -> list[Subject]:
    """Five subjects whose files are there."""
    found = [Subject(f"ä{at}", tmp_path / f"{at}.nii") for at in range(5)]
    for one in found:
        one.image.write_text(one.id)
    return found


def keep(shelf: PreparedShelf, subject: Subject, found: Prepared | InputError) -> None:
    """As it is kept whose files stay as they are while they are read."""
    shelf.keep(subject, found, signatures_of(subject))


@pytest.mark.parametrize("shape", [(1, 1, 1), SHAPE, (13, 17, 19)])
def test_places_never_overlap_whatever_the_order_of_writing(
    shape: tuple[int, int, int], there: list[Subject], tmp_path: Path
) -> None:
    with PreparedShelf(tmp_path, there, shape) as shelf:
        for at in (3, 0, 4, 1, 0):
            keep(shelf, there[at], prepared(at, shape))
        assert shelf.take(there[2]) is None
        for at in (0, 1, 3, 4):
            found, expected = shelf.take(there[at]), prepared(at, shape)
            assert found is not None
            assert torch.equal(found.volume, expected.volume) and torch.equal(found.brain, expected.brain)
            assert np.array_equal(found.affine, expected.affine)
            assert np.array_equal(found.source.affine, expected.source.affine)
            assert tuple(found.source.data.shape) == (1, 4, 5, 6) and tuple(found.inside.shape) == (4, 5, 6)
            assert (found.holes, found.warnings, found.source.path) == (bool(at % 2), (f"odd ä {at}",), there[at].image)


def test_who_is_kept_again_is_replaced_and_who_is_refused_stays_so(there: list[Subject], tmp_path: Path) -> None:
    with PreparedShelf(tmp_path, there, SHAPE) as shelf:
        keep(shelf, there[0], prepared(1))
        keep(shelf, there[0], prepared(2))
        found = shelf.take(there[0])
        assert found is not None and torch.equal(found.volume, prepared(2).volume)
        keep(shelf, there[0], InputError("no brain ä"))
        with pytest.raises(InputError, match="no brain ä"):
            shelf.take(there[0])
        assert not [one for one in tmp_path.iterdir() if one.suffix != ".nii"]  # it has no name


@pytest.mark.parametrize("change", ["bytes", "gone", "a mask more"])
def test_whose_files_changed_is_not_taken(change: str, there: list[Subject], tmp_path: Path) -> None:
    one = there[0]
    with PreparedShelf(tmp_path, there, SHAPE) as shelf:
        keep(shelf, one, prepared(1))
        if change == "bytes":
            one.image.write_text("another content")
        elif change == "gone":
            one.image.unlink()
        else:
            one = Subject(one.id, one.image, mask=there[1].image)
        assert shelf.take(one) is None


def test_who_was_read_while_a_file_was_replaced_or_gone_is_not_taken(there: list[Subject], tmp_path: Path) -> None:
    with PreparedShelf(tmp_path, there, SHAPE) as shelf:
        before = signatures_of(there[0])
        there[0].image.write_text("replaced while it was read")
        shelf.keep(there[0], prepared(1), before)
        shelf.keep(there[1], prepared(2), None)
        assert shelf.take(there[0]) is None and shelf.take(there[1]) is None
