"""`explain` and `aggregate` with reading and writing beside the method: the same files and the same failures."""

from __future__ import annotations

import random
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from interpbench import Explainer, aggregate, explain, load_predictor
from interpbench.errors import UsageError
from interpbench.images.recipe import Recipe
from interpbench.maps import files as map_files
from interpbench.predictor.network import NetworkPredictor

PEOPLE = [f"{number:02d}" for number in range(12)]


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("method", ["brightness", "seeded", "reuses", "gradcam"])
def test_the_files_are_the_same_however_far_ahead_it_is_read(
    run, tmp_path: Path, method: str, batch_size: int, contents: Any
) -> None:
    for number in (0, 3):
        run(method, f"ahead-{number}", ahead=number, batch_size=batch_size)
    serial = contents(tmp_path / "ahead-0")
    assert len({content for name, content in serial.items() if name.endswith("importance.nii.gz")}) == len(PEOPLE)
    assert serial == contents(tmp_path / "ahead-3")


def test_method_and_predictor_are_called_by_the_one_thread_that_asked(
    run, monkeypatch: pytest.MonkeyPatch, brightness: type[Explainer]
) -> None:
    threads, predicted = brightness.threads, NetworkPredictor.predict

    def told(self, volumes):
        threads.append(threading.current_thread())
        return predicted(self, volumes)

    monkeypatch.setattr(NetworkPredictor, "predict", told)
    run("brightness", ahead=3)
    assert len(threads) > 2 * len(PEOPLE)
    assert set(threads) == {threading.current_thread()}


def test_the_next_is_read_and_the_last_is_written_while_the_method_works(
    run, monkeypatch: pytest.MonkeyPatch, brightness: type[Explainer]
) -> None:
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

    class Waits(brightness):
        def explain(self, predictor, volumes):
            seen.append("one")
            if len(seen) == 2:  # the first is to be written, the fourth to be read, before this one is done
                assert all(event.wait(20) for event in both.values())
            return super().explain(predictor, volumes)

    monkeypatch.setattr(Recipe, "prepare", reads)
    monkeypatch.setattr(map_files, "write_map", writes)
    monkeypatch.setattr("interpbench_toy_plugin.Brightness", Waits)
    assert len(run("brightness", ahead=2)) == len(PEOPLE)


def test_no_more_volumes_are_held_than_asked_for(
    run, monkeypatch: pytest.MonkeyPatch, brightness: type[Explainer]
) -> None:
    alive: dict[str, weakref.WeakSet] = {"volumes": weakref.WeakSet(), "images": weakref.WeakSet()}
    most = {"volumes": 0, "images": 0}
    prepare, write = Recipe.prepare, map_files.write_map

    def counted(self, image, mask=None):
        prepared = prepare(self, image, mask)
        alive["volumes"].add(prepared.volume)
        alive["images"].add(prepared.source.data)
        return prepared

    class Slow(brightness):
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
    own_cohort: Path, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = explain("cohort", toy_model, "maps", method="wanders", participants=PEOPLE, device="cpu", ahead=2)
    assert len(contents(tmp_path / "maps")) == 2 * len(PEOPLE)
    assert all(path.is_file() for path in paths)


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


def test_ahead_is_a_number_of_batches(run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ahead must be at least 0, got -1"):
        run("brightness", ahead=-1)
    assert not (tmp_path / "maps").exists()
    run("brightness", participants=["07"])
    with pytest.raises(UsageError, match="ahead must be at least 0, got -1"):
        aggregate(tmp_path / "maps", tmp_path / "out", ahead=-1)


def test_how_far_ahead_it_is_read_does_not_make_it_another_run(run, tmp_path: Path, contents: Any) -> None:
    run("brightness", participants=["07"], ahead=0)
    run("brightness", participants=["08"], ahead=3)
    assert len(contents(tmp_path / "maps")) == 4
