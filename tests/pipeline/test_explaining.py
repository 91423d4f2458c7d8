"""`explain`: a map for every subject asked for, wherever the method fails."""

from __future__ import annotations

import csv
import json
import shutil
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import nibabel
import numpy as np
import pytest
import torch

from interpbench import Explainer, explain, load_predictor, option
from interpbench.errors import ConflictError, InputError, PluginError, SubjectsFailed, UsageError
from interpbench.host.ask_explainer import maps_of, subject_seed
from interpbench.pipeline import fit


class Brightness(Explainer):
    """|x|, and how often it was asked."""

    calls: ClassVar[list[int]] = []

    def explain(self, predictor, volumes):
        self.calls.append(len(volumes))
        return volumes[:, 0].abs()


@dataclass(frozen=True, kw_only=True)
class Seeded(Explainer):
    seed: int = option(0, "seed")

    def explain(self, predictor, volumes):
        generator = torch.Generator().manual_seed(self.seed)
        return torch.rand(volumes[:, 0].shape, generator=generator)


class Careless(Explainer):
    """Draws from the global random state and leaves the network in training mode."""

    def explain(self, predictor, volumes):
        predictor.module.train()
        return torch.rand(volumes[:, 0].shape)


class FailsOnBright(Explainer):
    """Fails on a volume whose first brain voxel is above average: on some subjects, not on others."""

    def explain(self, predictor, volumes):
        if float(volumes[0, 0, 5, 5, 5]) > 0 or len(volumes) > 1:
            raise KeyError("layer9")
        return torch.full_like(volumes[:, 0], 3)


class AlwaysFails(Explainer):
    def explain(self, predictor, volumes):
        raise ValueError("no such layer")


@dataclass(frozen=True, kw_only=True)
class Learner(Explainer):
    """Its map is what it learned: the number of training subjects."""

    learned = True
    gain: float = option(1.0, "factor")
    number = None  # no annotation, so no option

    def fit(self, predictor, training, validation):
        return self.with_state({"number": torch.tensor([float(len(training))])})

    def state(self):
        return {"number": self.number}

    def with_state(self, state):
        copy = Learner(gain=self.gain)
        object.__setattr__(copy, "number", state["number"])
        return copy

    def explain(self, predictor, volumes):
        return torch.full_like(volumes[:, 0], self.gain * float(self.number))


METHODS = {
    "brightness": Brightness,
    "seeded": Seeded,
    "careless": Careless,
    "fails-on-bright": FailsOnBright,
    "always": AlwaysFails,
    "learner": Learner,
}


@pytest.fixture(autouse=True)
def methods(toy_plugin: types.ModuleType) -> None:
    for name, method in METHODS.items():
        toy_plugin.offer("explainer", name, method)
    Brightness.calls.clear()


@pytest.fixture
def run(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> Callable[..., list[Path]]:
    def explained(method: str, out: str = "maps", cohort: Path = toy_cohort, **settings) -> list[Path]:
        return explain(cohort, toy_model, tmp_path / out, method=method, device="cpu", **settings)

    return explained


def values(path: Path) -> np.ndarray:
    return nibabel.load(path).get_fdata()


def sidecar(path: Path) -> dict:
    return json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())


def test_the_test_split_has_a_map_each_on_the_images_own_grid(run, toy_model: Path, toy_cohort: Path) -> None:
    paths = run("brightness")
    with (toy_model / "split.tsv").open() as file:
        tested = [row["participant_id"] for row in csv.DictReader(file, delimiter="\t") if row["split"] == "test"]
    assert [path.parent.name for path in paths] == sorted(tested)
    for path in paths:
        image = nibabel.load(toy_cohort / f"{path.parent.name[4:]}.nii.gz")
        map = nibabel.load(path)
        assert map.shape == image.shape
        assert map.get_data_dtype() == np.float32
        np.testing.assert_allclose(map.affine, image.affine, atol=1e-4)


def test_a_map_is_what_the_method_said_at_its_place_and_zero_outside_the_networks_box(
    run, toy_model: Path, toy_cohort: Path
) -> None:
    (path,) = run("brightness", participants=["sub-07"])
    prepared = load_predictor(toy_model).recipe.prepare(toy_cohort / "07.nii.gz")
    np.testing.assert_allclose(values(path)[1:-1, 1:-1, 1:-1], prepared.volume[0].abs().numpy(), rtol=1e-6)
    assert not values(path)[0].any()


def test_the_sidecar_says_where_a_map_comes_from(run, toy_model: Path) -> None:
    (path,) = run("seeded", participants=["07"], seed=4)
    record = sidecar(path)
    assert record["method"] == "seeded"
    assert record["options"] == {"seed": 4}
    assert record["subject_seed"] == subject_seed(4, "07", "seeded")
    assert record["predictor_sha256"] == load_predictor(toy_model).fingerprint
    assert record["age"] == pytest.approx(47.5)
    assert isinstance(record["prediction"], float)
    assert {"sha256", "image_sha256", "versions", "warnings", "distribution"} <= set(record)


def test_the_same_command_again_makes_no_map_twice(run) -> None:
    run("brightness")
    assert len(Brightness.calls) == 6
    run("brightness")
    assert len(Brightness.calls) == 6


def test_a_damaged_map_is_made_again_and_the_others_are_kept(run) -> None:
    path = run("brightness")[2]
    content = path.read_bytes()
    path.write_bytes(b"damaged")
    run("brightness")
    assert path.read_bytes() == content
    assert len(Brightness.calls) == 7


def test_a_changed_image_is_explained_again(run, toy_cohort: Path, tmp_path: Path) -> None:
    cohort = tmp_path / "cohort"
    shutil.copytree(toy_cohort, cohort)
    run("brightness", cohort=cohort, participants=["07", "08"])
    shutil.copy(cohort / "09.nii.gz", cohort / "07.nii.gz")
    run("brightness", cohort=cohort, participants=["07", "08"])
    assert len(Brightness.calls) == 3


def test_other_subjects_may_go_into_the_same_folder_and_another_method_may_not(run) -> None:
    run("brightness", participants=["07"])
    run("brightness", participants=["08"])
    with pytest.raises(ConflictError, match="method is"):
        run("seeded", participants=["07"])


@pytest.mark.parametrize("method", ["seeded", "brightness", "careless"])
def test_a_map_is_the_same_in_any_company(run, method: str) -> None:
    (alone,) = run(method, "alone", participants=["08"])
    both = run(method, "both", participants=["09", "08", "07"], batch_size=1)
    assert alone.read_bytes() == both[1].read_bytes()


def test_a_seeded_map_is_the_same_whatever_the_batch_and_differs_between_subjects(run) -> None:
    single = run("seeded", "single", participants=["07", "08"], batch_size=1)
    batch = run("seeded", "batch", participants=["07", "08"], batch_size=2)
    assert [path.read_bytes() for path in single] == [path.read_bytes() for path in batch]
    assert single[0].read_bytes() != single[1].read_bytes()


def test_a_batch_is_handed_over_at_once(run) -> None:
    run("brightness", batch_size=4)
    assert Brightness.calls == [4, 2]


def test_a_careless_method_leaves_nothing_behind(toy_model: Path) -> None:
    predictor = load_predictor(toy_model)
    volumes = torch.randn(1, 1, *predictor.recipe.shape)
    before, state = volumes.clone(), torch.get_rng_state()
    maps_of(Careless(), predictor, volumes, ["a"], "careless", 0)
    assert torch.equal(volumes, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert not predictor.module.training


def test_subjects_that_fail_are_listed_and_the_others_have_their_maps(run, tmp_path: Path) -> None:
    with pytest.raises(SubjectsFailed, match=r"of 40 subjects failed.*KeyError: 'layer9'"):
        run("fails-on-bright", split=None, batch_size=3)
    with (tmp_path / "maps" / "failures.tsv").open() as file:
        failed = {row["participant_id"] for row in csv.DictReader(file, delimiter="\t")}
    made = {path.parent.name for path in (tmp_path / "maps").glob("sub-*/*.nii.gz")}
    assert failed
    assert made
    assert len(failed) + len(made) == 40
    assert not failed & made
    names = [path.name for path in (tmp_path / "maps").glob("*/*.gz")]
    assert all(name.endswith("desc-failsonbright_importance.nii.gz") for name in names)


def test_a_flat_map_is_passed_on_with_a_warning(run, tmp_path: Path) -> None:
    with pytest.raises(SubjectsFailed):
        run("fails-on-bright", split=None)
    path = next((tmp_path / "maps").glob("sub-*/*.nii.gz"))
    assert "3 everywhere" in sidecar(path)["warnings"][0]


def test_a_method_that_always_fails_is_told_as_its_own_fault(run) -> None:
    with pytest.raises(PluginError, match="None of 6 subjects could be explained: method 'always' failed: ValueError"):
        run("always")


def test_a_bad_image_is_listed_unless_it_belongs_to_another_split(run, toy_cohort: Path, tmp_path: Path) -> None:
    cohort = tmp_path / "cohort"
    shutil.copytree(toy_cohort, cohort)
    tested = [path.parent.name[4:] for path in run("brightness", "before")]
    trained = next(f"{number:02d}" for number in range(40) if f"{number:02d}" not in tested)
    (cohort / f"{trained}.nii.gz").unlink()
    run("brightness", "fine", cohort=cohort)
    (cohort / f"{tested[0]}.nii.gz").write_bytes(b"no image")
    with pytest.raises(SubjectsFailed, match="1 of 6 subjects failed"):
        run("brightness", "bad", cohort=cohort)


def test_a_method_that_must_learn_is_fitted_first_and_kept(run, tmp_path: Path) -> None:
    paths = run("learner", options={"gain": 2})
    assert len(paths) == 6
    assert values(paths[0]).max() == 60
    assert (tmp_path / "maps" / "fitted" / "fitted.json").is_file()


def test_what_was_fitted_before_is_used(run, toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    fit(toy_cohort, toy_model, tmp_path / "fitted", method="learner", options={"gain": 3}, device="cpu")
    paths = run("learner", fitted=tmp_path / "fitted", participants=["07"])
    assert values(paths[0]).max() == 90
    assert not (tmp_path / "maps" / "fitted").exists()
    with pytest.raises(UsageError, match=r"was fitted with gain=3\.0, not 2\.0"):
        run("learner", "other", fitted=tmp_path / "fitted", options={"gain": 2})
    with pytest.raises(UsageError, match="needs no fitting"):
        run("brightness", "other", fitted=tmp_path / "fitted")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"method": "britness"}, UsageError, "Did you mean 'brightness'"),
        ({"method": "seeded", "options": {"sed": 1}}, UsageError, "Did you mean 'seed'"),
        ({"method": "brightness", "participants": ["99"]}, UsageError, "no subject '99'"),
        ({"method": "brightness", "batch_size": 0}, UsageError, "batch_size must be at least 1"),
        ({"method": "learner", "fitted": "nowhere"}, InputError, "is not a folder of a fit"),
    ],
)
def test_a_wrong_word_is_told_before_anything_is_written(run, tmp_path: Path, settings, error, message) -> None:
    with pytest.raises(error, match=message):
        run(**settings)
    assert not (tmp_path / "maps").exists()
