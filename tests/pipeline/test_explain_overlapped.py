"""`explain` and `aggregate` with reading and writing beside the method: the same files and the same failures."""

from __future__ import annotations

import csv
import gc
import os
import random
import shutil
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import nibabel
import numpy as np
import pytest
import torch

from interpbench import Explainer, aggregate, explain, load_predictor, option, predict
from interpbench.cohort.prepared_once import PreparedOnce
from interpbench.errors import InputError, PluginError, ResourceError, SubjectsFailed, UsageError
from interpbench.files import hashes
from interpbench.images.recipe import Recipe
from interpbench.maps import files as map_files
from interpbench.predictor.network import NetworkPredictor

PEOPLE = [f"{number:02d}" for number in range(12)]


class Brightness(Explainer):
    """|x|, and the thread in which it was asked."""

    threads: ClassVar[list[threading.Thread]] = []

    def explain(self, predictor, volumes):
        self.threads.append(threading.current_thread())
        return volumes[:, 0].abs()


@dataclass(frozen=True, kw_only=True)
class Seeded(Explainer):
    """Draws from a seed of its own and from the global random state."""

    seed: int = option(0, "seed")

    def explain(self, predictor, volumes):
        drawn = torch.rand(volumes[:, 0].shape, generator=torch.Generator().manual_seed(self.seed))
        time.sleep(0.005)  # time for others to draw, if they do
        return drawn + torch.rand(volumes[:, 0].shape) + float(np.random.rand()) + random.random()

    def explain_with_extras(self, predictor, volumes):
        map = self.explain(predictor, volumes)
        return map, {"negative": -map}


class Reuses(Explainer):
    """Gives the same tensor each time, with other content."""

    kept: ClassVar[dict[torch.Size, torch.Tensor]] = {}

    def explain(self, predictor, volumes):
        map = self.kept.setdefault(volumes[:, 0].shape, torch.empty_like(volumes[:, 0]))
        return map.copy_(volumes[:, 0].abs())


class Moody(Explainer):
    """Fails on some subjects, and on every batch."""

    def explain(self, predictor, volumes):
        if float(volumes[0, 0, 5, 5, 5]) > 0 or len(volumes) > 1:
            raise KeyError("layer9")
        return volumes[:, 0].clone()


class Interrupted(Explainer):
    """Ctrl-C is pressed while it explains the third subject."""

    calls: ClassVar[list[int]] = []

    def explain(self, predictor, volumes):
        self.calls.append(1)
        if len(self.calls) == 3:
            raise KeyboardInterrupt
        return volumes[:, 0].abs()


class Wanders(Explainer):
    """Works in another folder, and comes back."""

    def explain(self, predictor, volumes):
        here = Path.cwd()
        try:
            os.chdir("/")
            time.sleep(0.02)
            return volumes[:, 0].abs()
        finally:
            os.chdir(here)


METHODS = {
    "brightness": Brightness,
    "seeded": Seeded,
    "reuses": Reuses,
    "moody": Moody,
    "interrupted": Interrupted,
    "wanders": Wanders,
}


@pytest.fixture(autouse=True)
def methods(toy_plugin: types.ModuleType) -> None:
    for name, method in METHODS.items():
        toy_plugin.offer("explainer", name, method)
    for calls in (Brightness.threads, Interrupted.calls):
        calls.clear()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def run(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> Callable[..., list[Path]]:
    def explained(method: str, out: str = "maps", cohort: Path = toy_cohort, **settings) -> list[Path]:
        settings = {"participants": PEOPLE, "device": "cpu", **settings}
        return explain(cohort, toy_model, tmp_path / out, method=method, **settings)

    return explained


@pytest.fixture
def own_cohort(toy_cohort: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy_cohort, tmp_path / "cohort"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.glob("sub-*/*"))}


def failures(folder: Path) -> list[dict[str, str]]:
    with (folder / "failures.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("method", ["brightness", "seeded", "reuses", "gradcam"])
def test_the_files_are_the_same_however_far_ahead_it_is_read(run, tmp_path: Path, method: str, batch_size: int) -> None:
    for number in (0, 3):
        run(method, f"ahead-{number}", ahead=number, batch_size=batch_size)
    serial = contents(tmp_path / "ahead-0")
    assert len({content for name, content in serial.items() if name.endswith("importance.nii.gz")}) == len(PEOPLE)
    assert serial == contents(tmp_path / "ahead-3")


def test_method_and_predictor_are_called_by_the_one_thread_that_asked(run, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, predicted = Brightness.threads, NetworkPredictor.predict

    def told(self, volumes):
        threads.append(threading.current_thread())
        return predicted(self, volumes)

    monkeypatch.setattr(NetworkPredictor, "predict", told)
    run("brightness", ahead=3)
    assert len(threads) > 2 * len(PEOPLE)
    assert set(threads) == {threading.current_thread()}


def test_the_next_is_read_and_the_last_is_written_while_the_method_works(run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    both = {name: threading.Event() for name in ("read", "written")}
    prepare, write = Recipe.prepare, map_files.write_map

    def reads(self, image, mask=None):
        prepared = prepare(self, image, mask)
        if seen:
            both["read"].set()
        return prepared

    def writes(*arguments, **settings):
        write(*arguments, **settings)
        both["written"].set()

    class Waits(Brightness):
        def explain(self, predictor, volumes):
            seen.append("one")
            if len(seen) == 2:  # the first is to be written, the fourth to be read, before this one is done
                assert all(event.wait(20) for event in both.values())
            return super().explain(predictor, volumes)

    monkeypatch.setattr(Recipe, "prepare", reads)
    monkeypatch.setattr(map_files, "write_map", writes)
    monkeypatch.setattr("interpbench_toy_plugin.Brightness", Waits)
    assert len(run("brightness", ahead=2)) == len(PEOPLE)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_failures_are_told_in_the_subjects_order(run, own_cohort: Path, tmp_path: Path, batch_size: int) -> None:
    for label in ("03", "04", "09"):
        (own_cohort / f"{label}.nii.gz").write_bytes(b"no image")
    for number in (0, 3):
        with pytest.raises(SubjectsFailed):
            run("moody", f"ahead-{number}", own_cohort, ahead=number, batch_size=batch_size)
    found = failures(tmp_path / "ahead-3")
    assert found == failures(tmp_path / "ahead-0")
    labels = [row["participant_id"] for row in found]
    assert labels == sorted(labels) and {"sub-03", "sub-04", "sub-09"} < set(labels)
    assert contents(tmp_path / "ahead-0") == contents(tmp_path / "ahead-3")


@pytest.mark.parametrize("number", [0, 2])
def test_a_full_disk_stops_the_run(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    write, written = map_files.write_map, []

    def fills_up(path, *arguments, **settings):
        if len(written) >= 2:
            raise ResourceError(f"{path}: not written, the disk or the quota is full.")
        written.append(path)
        write(path, *arguments, **settings)

    with monkeypatch.context() as patched:
        patched.setattr(map_files, "write_map", fills_up)
        with pytest.raises(ResourceError, match="the disk or the quota is full"):
            run("brightness", ahead=number)
    assert len(Brightness.threads) <= 3 + number
    assert len(contents(tmp_path / "maps")) == 4  # two maps and their sidecars, and nothing half
    assert len(run("brightness", ahead=number)) == len(PEOPLE)


def test_a_fault_in_reading_comes_to_light_as_it_is(run, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = Recipe.prepare

    def faulty(self, image, mask=None):
        if getattr(image, "id", "") == "05":
            raise TypeError("a bug")
        return prepare(self, image, mask)

    monkeypatch.setattr(Recipe, "prepare", faulty)
    with pytest.raises(TypeError, match="a bug"):
        run("brightness", ahead=2)
    assert len(Brightness.threads) == 5


def test_what_was_explained_before_an_interruption_is_written_and_the_rest_later(run, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run("interrupted", ahead=2)
    names = sorted(file.name for file in (tmp_path / "maps").glob("sub-*/*"))
    assert [name[:6] for name in names] == ["sub-00"] * 2 + ["sub-01"] * 2
    assert not [name for name in names if ".tmp" in name]
    run("interrupted", ahead=2)
    run("brightness", "whole")
    maps = sorted((tmp_path / "maps").glob("*/*.nii.gz")), sorted((tmp_path / "whole").glob("*/*.nii.gz"))
    assert len(maps[0]) == len(PEOPLE)
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(*maps, strict=True))


def test_no_more_volumes_are_held_than_asked_for(run, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: dict[str, weakref.WeakSet] = {"volumes": weakref.WeakSet(), "images": weakref.WeakSet()}
    most = {"volumes": 0, "images": 0}
    prepare, write = Recipe.prepare, map_files.write_map

    def counted(self, image, mask=None):
        prepared = prepare(self, image, mask)
        alive["volumes"].add(prepared.volume)
        alive["images"].add(prepared.source.data)
        return prepared

    class Slow(Brightness):
        def explain(self, predictor, volumes):
            time.sleep(0.01)
            for name, found in alive.items():
                most[name] = max(most[name], len(found))
            return super().explain(predictor, volumes)

    def slowly(*arguments, **settings):
        time.sleep(0.02)
        write(*arguments, **settings)

    monkeypatch.setattr(Recipe, "prepare", counted)
    monkeypatch.setattr(map_files, "write_map", slowly)
    monkeypatch.setattr("interpbench_toy_plugin.Brightness", Slow)
    run("brightness", ahead=2)
    assert 1 < most["volumes"] <= 3  # two that are read ahead, and the one at hand
    assert most["images"] <= 2  # while they are being read


def test_subjects_that_fail_are_not_held_in_memory(run, own_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: weakref.WeakSet = weakref.WeakSet()
    most, prepare = [], Recipe.prepare

    def counted(self, image, mask=None):
        prepared = prepare(self, image, mask)
        alive.add(prepared.volume)
        if getattr(image, "id", "") in ("02", "07"):
            raise InputError("refused at the last moment")
        return prepared

    class Fails(Brightness):
        def explain(self, predictor, volumes):
            most.append(len(alive))
            raise ValueError("no such layer")

    monkeypatch.setattr(Recipe, "prepare", counted)
    monkeypatch.setattr("interpbench_toy_plugin.Brightness", Fails)
    gc.disable()  # it is not by luck that they are gone
    try:
        with pytest.raises((PluginError, SubjectsFailed)):
            run("brightness", ahead=2)
    finally:
        gc.enable()
    assert len(most) == len(PEOPLE) - 2
    assert max(most) <= 4


def test_reading_draws_nothing_from_the_global_random_state(toy_model: Path, toy_cohort: Path) -> None:
    recipe = load_predictor(toy_model).recipe
    coarse = Recipe(shape=(5, 6, 4), voxel_size=7.3, centre=recipe.centre)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    for one in (recipe, coarse):
        prepared = one.prepare(toy_cohort / "07.nii.gz")
        prepared.to_source_grid(prepared.volume[0])
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert random.getstate() == states[2]


def test_a_method_that_works_in_another_folder_does_not_lead_the_files_astray(
    own_cohort: Path, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = explain("cohort", toy_model, "maps", method="wanders", participants=PEOPLE, device="cpu", ahead=2)
    assert len(contents(tmp_path / "maps")) == 2 * len(PEOPLE)
    assert all(path.is_file() for path in paths)


def test_an_image_that_changes_while_it_is_read_is_explained_again(
    run, own_cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = Recipe.prepare

    def changes(self, image, mask=None):
        if getattr(image, "id", "") == "05":
            other = nibabel.load(own_cohort / "06.nii.gz")
            voxels = np.asarray(other.dataobj) * 1.01  # nobody else's bytes
            nibabel.save(nibabel.Nifti1Image(voxels.astype(np.float32), other.affine), own_cohort / "05.nii.gz")
        return prepare(self, image, mask)

    with monkeypatch.context() as patched:
        patched.setattr(Recipe, "prepare", changes)
        patched.setattr(PreparedOnce, "first_volumes", lambda *_, **__: torch.empty(0, 1, 1, 1, 1))
        run("brightness", cohort=own_cohort)
    Brightness.threads.clear()
    run("brightness", cohort=own_cohort)
    assert len(Brightness.threads) == 1


def test_an_image_that_can_no_longer_be_read_is_told_as_that_subjects_failure(
    run, own_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("brightness", cohort=own_cohort)
    sha256_of = hashes.sha256_of

    def refuses(path):
        if Path(path).name == "05.nii.gz":
            raise PermissionError(13, "Permission denied", str(path))
        return sha256_of(path)

    monkeypatch.setattr(hashes, "sha256_of", refuses)
    with pytest.raises(SubjectsFailed, match=r"05\.nii\.gz: cannot be read \(Permission denied\)"):
        run("brightness", cohort=own_cohort)


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, 3])
def test_the_population_is_the_same_however_far_ahead_it_is_read(run, tmp_path: Path, number: int) -> None:
    run("brightness")
    aggregate(tmp_path / "maps", tmp_path / "serial", ahead=0)
    aggregate(tmp_path / "maps", tmp_path / "ahead", ahead=number)
    names = sorted(file.name for file in (tmp_path / "serial").glob("population*"))
    assert len(names) > 4
    for name in names:
        assert (tmp_path / "serial" / name).read_bytes() == (tmp_path / "ahead" / name).read_bytes()


@pytest.mark.slow
def test_maps_that_cannot_be_used_are_told_in_the_subjects_order(run, own_cohort: Path, tmp_path: Path) -> None:
    run("brightness", cohort=own_cohort)
    (own_cohort / "08.nii.gz").unlink()
    (tmp_path / "maps/sub-02/sub-02_desc-brightness_importance.nii.gz").write_bytes(b"changed")
    with pytest.raises(SubjectsFailed):
        aggregate(tmp_path / "maps", tmp_path / "out", ahead=3)
    assert [row["participant_id"] for row in failures(tmp_path / "out")] == ["sub-02", "sub-08"]


def test_predictions_are_told_in_the_subjects_order_and_bad_images_by_name(
    own_cohort: Path, toy_model: Path, tmp_path: Path
) -> None:
    (own_cohort / "11.nii.gz").write_bytes(b"no image")
    with pytest.raises(SubjectsFailed, match="1 of 40 subjects failed"):
        predict(own_cohort, toy_model, tmp_path / "table.tsv", device="cpu")
    with (tmp_path / "table.tsv").open() as file:
        labels = [row["participant_id"] for row in csv.DictReader(file, delimiter="\t")]
    assert labels == [f"sub-{number:02d}" for number in range(40) if number != 11]


def test_ahead_is_a_number_of_batches(run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ahead must be at least 0, got -1"):
        run("brightness", ahead=-1)
    assert not (tmp_path / "maps").exists()
    run("brightness", participants=["07"])
    with pytest.raises(UsageError, match="ahead must be at least 0, got -1"):
        aggregate(tmp_path / "maps", tmp_path / "out", ahead=-1)


def test_how_far_ahead_it_is_read_does_not_make_it_another_run(run, tmp_path: Path) -> None:
    run("brightness", participants=["07"], ahead=0)
    run("brightness", participants=["08"], ahead=3)
    assert len(contents(tmp_path / "maps")) == 4
