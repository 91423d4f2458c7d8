"""`fit`: what a method learned is kept, found again, and used with no other predictor."""

from __future__ import annotations

import json
import types
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from interpbench import Explainer, fit, load_predictor, option
from interpbench.cohort.subjects import Subject
from interpbench.errors import ConflictError, InputError, PluginError, UsageError
from interpbench.images.prepared import Prepared
from interpbench.images.recipe import Recipe
from interpbench.pipeline.fitted import load_fitted, read_fitted


@dataclass(frozen=True, kw_only=True)
class Average(Explainer):
    """Learns the mean training volume; every map is that, times `gain`."""

    learned = True
    presets = {"loud": {"gain": 10.0}}  # noqa: RUF012  nobody changes it

    gain: float = option(1.0, "factor")
    seed: int = option(0, "seed")
    mean = None  # no annotation, so no option

    def fit(self, predictor, training, validation, workspace=None):
        if workspace is not None:
            workspace.mkdir(parents=True, exist_ok=True)
            (workspace / "step").write_text("1")
        predictor.module.train()
        mean = torch.stack([sample.volume[0] for sample in training]).mean(0)
        mean[0, 0, 0] = torch.randn(())
        return self.with_state({"mean": mean})

    def state(self):
        return {"mean": self.mean}

    def with_state(self, state):
        copy = Average(gain=self.gain, seed=self.seed)
        object.__setattr__(copy, "mean", state["mean"])
        return copy

    @property
    def record(self):
        return {"curve": [1.0, 0.5], "warnings": ["it is only an average"]}

    def explain(self, predictor, volumes):
        return (self.gain * self.mean).abs().expand(volumes.shape[0], -1, -1, -1).contiguous()


class NoNumbers(Average):
    def state(self):
        return {"mean": torch.full((2,), float("nan"))}


class Fixed(Explainer):
    def explain(self, predictor, volumes):
        return volumes[:, 0].abs()


@pytest.fixture(autouse=True)
def methods(toy_plugin: types.ModuleType) -> None:
    for name, method in {"average": Average, "nonumbers": NoNumbers, "fixed": Fixed}.items():
        toy_plugin.offer("explainer", name, method)


@pytest.fixture
def fitted(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> Path:
    fit(toy_cohort, toy_model, tmp_path / "fitted", method="average", options={"gain": "2"}, device="cpu")
    return tmp_path / "fitted"


def test_what_was_learned_is_found_again(fitted: Path, toy_model: Path) -> None:
    predictor = load_predictor(toy_model)
    found = load_fitted(fitted, predictor)
    assert isinstance(found, Average)
    assert found.gain == 2.0
    assert found.mean is not None
    assert found.mean.shape == predictor.recipe.shape


def test_the_record_says_method_options_predictor_and_what_the_fit_measured(fitted: Path, toy_model: Path) -> None:
    record = read_fitted(fitted)
    assert record["method"] == "average"
    assert record["options"]["gain"] == 2.0
    assert record["predictor_sha256"] == load_predictor(toy_model).fingerprint
    assert record["record"]["curve"] == [1.0, 0.5]


def test_it_learns_from_the_split_that_the_predictor_was_trained_on(fitted: Path, toy_model: Path) -> None:
    assert (fitted / "split.tsv").read_text() == (toy_model / "split.tsv").read_text()


def test_checkpoints_are_gone_when_it_is_done(fitted: Path) -> None:
    assert not (fitted / "checkpoints").exists()


def test_another_predictor_is_refused(fitted: Path, toy_model: Path) -> None:
    other = load_predictor(toy_model)
    next(other.module.parameters()).data += 1
    with pytest.raises(InputError, match="was fitted to another predictor"):
        load_fitted(fitted, other)


def test_another_method_is_refused(fitted: Path, toy_model: Path) -> None:
    with pytest.raises(UsageError, match="was fitted with method 'average', not 'unoise'"):
        load_fitted(fitted, load_predictor(toy_model), method="unoise")


def test_a_changed_state_is_refused(fitted: Path, toy_model: Path) -> None:
    content = bytearray((fitted / "state.safetensors").read_bytes())
    content[-1] ^= 1
    (fitted / "state.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="SHA-256"):
        load_fitted(fitted, load_predictor(toy_model))


def test_the_same_seed_gives_the_same_bytes(fitted: Path, toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    fit(toy_cohort, toy_model, tmp_path / "again", method="average", options={"gain": 2.0}, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    for name in ("state.safetensors", "fitted.json"):
        assert (tmp_path / "again" / name).read_bytes() == (fitted / name).read_bytes()


@pytest.mark.slow
def test_with_a_cache_it_learns_the_same_bytes_and_images_are_prepared_once(
    fitted: Path, toy_cohort: Path, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, prepared = Recipe.prepare, []

    def counted(recipe: Recipe, subject: Subject) -> Prepared:
        prepared.append(subject.id)
        return prepare(recipe, subject)

    monkeypatch.setattr(Recipe, "prepare", counted)
    numbers = []
    for name in ("first", "second"):
        prepared.clear()
        fit(
            toy_cohort,
            toy_model,
            tmp_path / name,
            method="average",
            options={"gain": 2.0},
            device="cpu",
            cache=tmp_path / "cache",
        )
        numbers.append(len(prepared))
        for file in ("state.safetensors", "fitted.json"):
            assert (tmp_path / name / file).read_bytes() == (fitted / file).read_bytes()
    files = list((tmp_path / "cache").rglob("*.voxels"))
    assert numbers == [len(files), 0]


def test_the_same_command_again_does_nothing_and_another_is_refused(
    fitted: Path, toy_cohort: Path, toy_model: Path
) -> None:
    stamp = (fitted / "state.safetensors").stat().st_mtime_ns
    fit(toy_cohort, toy_model, fitted, method="average", options={"gain": 2}, device="cpu")
    assert (fitted / "state.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(ConflictError, match=r"options\.gain is 2\.0 in that run and 3\.0 in this one"):
        fit(toy_cohort, toy_model, fitted, method="average", options={"gain": 3}, device="cpu")


def test_a_preset_sets_options_and_single_options_go_over_it(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    loud = fit(toy_cohort, toy_model, tmp_path / "loud", method="average", preset="loud", seed=5, device="cpu")
    assert (loud.gain, loud.seed) == (10.0, 5)
    both = fit(
        toy_cohort,
        toy_model,
        tmp_path / "both",
        method="average",
        preset="loud",
        options={"gain": 4, "seed": 9},
        seed=5,
        device="cpu",
    )
    assert (both.gain, both.seed) == (4.0, 9)
    with pytest.raises(UsageError, match=r"no preset 'lowd'\. Did you mean 'loud'"):
        fit(toy_cohort, toy_model, tmp_path / "none", method="average", preset="lowd")


def test_a_method_that_has_nothing_to_learn_is_refused(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'fixed' needs no fitting"):
        fit(toy_cohort, toy_model, tmp_path / "fitted", method="fixed")


def test_a_state_that_is_no_numbers_is_refused_and_not_kept(
    toy_cohort: Path, toy_model: Path, tmp_path: Path, toy_plugin: types.ModuleType
) -> None:
    class Broken(Average):
        def fit(self, predictor, training, validation):
            return NoNumbers()

    toy_plugin.offer("explainer", "broken", Broken)
    with pytest.raises(PluginError, match="non-finite values, in mean"):
        fit(toy_cohort, toy_model, tmp_path / "fitted", method="broken", device="cpu")
    assert not (tmp_path / "fitted" / "fitted.json").exists()


def test_a_predictor_without_a_split_has_the_cohort_divided(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name in ("model.json", "model.safetensors"):
        (model / name).write_bytes((toy_model / name).read_bytes())
    fit(toy_cohort, model, tmp_path / "fitted", method="average", device="cpu")
    words = [line.split("\t")[2] for line in (tmp_path / "fitted" / "split.tsv").read_text().splitlines()[1:]]
    assert [words.count(word) for word in ("train", "validation", "test")] == [30, 4, 6]


def test_a_folder_with_nothing_fitted_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"fitted\.json is missing"):
        read_fitted(tmp_path)
    (tmp_path / "fitted.json").write_text(json.dumps({"method": "average"}))
    with pytest.raises(InputError, match="not a record of a fitted explainer"):
        read_fitted(tmp_path)
