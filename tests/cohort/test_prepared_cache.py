"""Prepared volumes on disk are those of the image and recipe at hand, whatever happened to files in between."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from interpbench.cohort.prepared_cache import HEAD, PreparedCache, key_of
from interpbench.cohort.prepared_once import PreparedOnce
from interpbench.cohort.samples import Samples
from interpbench.cohort.subjects import Subject
from interpbench.errors import InputError, ResourceError, UsageError
from interpbench.files.hashes import Hashes
from interpbench.images.recipe import Recipe
from interpbench.images.volume import write_map

RECIPE = Recipe(shape=(6, 7, 8), voxel_size=2.0)


def write_image(path: Path, seed: int) -> Path:
    data = np.zeros((8, 9, 10))
    data[2:6, 2:7, 3:8] = np.random.default_rng(seed).normal(100, 10, (4, 5, 5))
    write_map(path, data, affine=np.diag([2.0, 2, 2, 1]))
    return path


def write_mask(path: Path, first: int) -> Path:
    data = np.zeros((8, 9, 10))
    data[first:6, 2:7, 3:8] = 1
    write_map(path, data, affine=np.diag([2.0, 2, 2, 1]))
    return path


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject("01", write_image(tmp_path / "image.nii.gz", 0), 50.0, mask=write_mask(tmp_path / "mask.nii.gz", 2))


@pytest.fixture
def cache(tmp_path: Path) -> PreparedCache:
    return PreparedCache(tmp_path / "cache")


def same(found: tuple[torch.Tensor, torch.Tensor], subject: Subject, recipe: Recipe) -> bool:
    """Whether these are the voxels that the recipe makes of the subject now, to the last bit."""
    prepared = recipe.prepare(subject)
    volume, brain = found
    return torch.equal(volume, prepared.volume) and torch.equal(brain, prepared.brain)


def files(cache: PreparedCache) -> list[Path]:
    return sorted(path for path in cache.folder.rglob("*") if path.is_file())


@pytest.fixture
def no_reading(monkeypatch: pytest.MonkeyPatch):
    """A function from which on no image is read."""

    def refuse(*_: object) -> None:
        raise AssertionError("the image was read")

    return lambda: monkeypatch.setattr(Recipe, "prepare", refuse)


def test_the_second_time_no_image_is_read_and_the_voxels_are_the_same(subject, cache, no_reading) -> None:
    first = cache.voxels(subject, RECIPE)
    assert same(first, subject, RECIPE)
    no_reading()
    again = PreparedCache(cache.folder).voxels(subject, RECIPE)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert again[0].dtype == torch.float32 and again[1].dtype == torch.bool


def test_what_is_read_is_mapped_from_a_file_of_5_bytes_a_voxel(subject, cache) -> None:
    cache.voxels(subject, RECIPE)
    (file,) = files(cache)
    assert file.stat().st_size == HEAD + 5 * 6 * 7 * 8
    volume, brain = cache.voxels(subject, RECIPE)
    assert volume.data_ptr() + volume.nbytes == brain.data_ptr()  # one piece of memory, the file's


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_another_image_under_the_same_name_is_another_volume(subject, cache, seed: int) -> None:
    before = cache.voxels(subject, RECIPE)[0].clone()
    stamp = subject.image.stat()
    write_image(subject.image, seed)
    os.utime(subject.image, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # not even the time tells
    found = cache.voxels(subject, RECIPE)
    assert same(found, subject, RECIPE) and not torch.equal(found[0], before)


def test_another_mask_or_none_is_another_volume(subject, cache) -> None:
    first = cache.voxels(subject, RECIPE)[1].clone()
    write_mask(subject.mask, 4)
    found = cache.voxels(subject, RECIPE)
    assert same(found, subject, RECIPE) and not torch.equal(found[1], first)
    bare = dataclasses.replace(subject, mask=None)
    assert same(cache.voxels(bare, RECIPE), bare, RECIPE)
    assert len(files(cache)) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (7, 6, 8)},
        {"shape": (8, 7, 6)},
        {"voxel_size": 2.5},
        {"orientation": "LAS"},
        {"normalise": "volume"},
        {"normalise": "none"},
        {"centre": (1.0, 2.0, 3.0)},
        {"apply_mask": False},
    ],
)
def test_another_recipe_is_another_volume(subject, cache, change: dict) -> None:
    cache.voxels(subject, RECIPE)
    other = dataclasses.replace(RECIPE, **change)
    assert key_of(subject, other, Hashes()) != key_of(subject, RECIPE, Hashes())
    for _ in range(2):
        assert same(cache.voxels(subject, other), subject, other)
    assert same(cache.voxels(subject, RECIPE), subject, RECIPE)


def test_the_name_of_a_file_does_not_count(subject, cache, tmp_path, no_reading) -> None:
    volume, _ = cache.voxels(subject, RECIPE)
    moved = dataclasses.replace(subject, id="02", image=Path(shutil.copy(subject.image, tmp_path / "other.nii.gz")))
    no_reading()
    assert torch.equal(cache.voxels(moved, RECIPE)[0], volume)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.03, 0.5, 0.999])
def test_a_file_that_was_cut_short_is_made_again(subject, cache, share: float) -> None:
    cache.voxels(subject, RECIPE)
    (file,) = files(cache)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    assert same(cache.voxels(subject, RECIPE), subject, RECIPE)
    assert file.read_bytes() == whole


def test_a_file_with_any_byte_changed_is_made_again(subject, cache) -> None:
    cache.voxels(subject, RECIPE)
    (file,) = files(cache)
    whole = file.read_bytes()
    for place in (0, HEAD - 1, HEAD, *np.random.default_rng(0).integers(0, len(whole), 20), len(whole) - 1):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        file.write_bytes(damaged)
        assert same(cache.voxels(subject, RECIPE), subject, RECIPE)
        assert file.read_bytes() == whole
    file.write_bytes(whole + b"more")
    assert same(cache.voxels(subject, RECIPE), subject, RECIPE)


def test_an_image_that_is_replaced_while_it_is_read_is_not_kept_under_the_old_name(
    subject, cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, old = Recipe.prepare, subject.image.read_bytes()

    def slow(recipe: Recipe, one: Subject):
        write_image(one.image, 7)
        return prepare(recipe, one)

    monkeypatch.setattr(Recipe, "prepare", slow)
    cache.voxels(subject, RECIPE)
    monkeypatch.setattr(Recipe, "prepare", prepare)
    subject.image.write_bytes(old)
    assert same(cache.voxels(subject, RECIPE), subject, RECIPE)


def test_who_changes_what_was_read_changes_no_file(subject, cache) -> None:
    cache.voxels(subject, RECIPE)
    cache.voxels(subject, RECIPE)[0].fill_(0)
    assert same(cache.voxels(subject, RECIPE), subject, RECIPE)


def test_a_full_disk_is_told_once_and_stops_nothing(subject, cache, monkeypatch, caplog) -> None:
    def full(*_: object) -> None:
        raise ResourceError("the disk is full")

    monkeypatch.setattr("interpbench.cohort.prepared_cache.atomic_path", full)
    for _ in range(2):
        assert same(cache.voxels(subject, RECIPE), subject, RECIPE)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the disk is full" in caplog.text and not files(cache)


def test_an_image_that_is_refused_is_refused_and_leaves_nothing(subject, cache) -> None:
    subject.image.write_bytes(b"no image")
    with pytest.raises(InputError):
        cache.voxels(subject, RECIPE)
    subject.image.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        cache.voxels(subject, RECIPE)
    assert not files(cache)


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be used as a folder"):
        PreparedCache(tmp_path / "file" / "cache")


def test_samples_are_the_same_with_a_cache_and_without(subject, cache) -> None:
    plain = Samples([subject], RECIPE)[0]
    for _ in range(2):
        kept = Samples([subject], RECIPE, prepared=PreparedOnce(RECIPE, cache), cache_bytes=0)[0]
        assert torch.equal(kept.volume, plain.volume) and torch.equal(kept.brain, plain.brain)
        assert (kept.subject, kept.target) == (plain.subject, plain.target)
    assert len(files(cache)) == 1
