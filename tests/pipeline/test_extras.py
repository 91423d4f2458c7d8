"""What a method keeps beside its map is checked, written before the map is marked as done, and never taken for one."""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from interpbench import Explainer, aggregate, explain, load_predictor, option
from interpbench.errors import PluginError
from interpbench.files.atomic import sha256_of
from interpbench.files.run_folder import RunFolder
from interpbench.host.ask_explainer import explained, maps_of
from interpbench.host.checking import checked_extras
from interpbench.testing import cube_predictor, toy_brains

SHAPE = (6, 7, 8)


class Twofold(Explainer):
    """|x|, and beside it x and 2 x."""

    calls = 0

    def explain(self, predictor, volumes):
        return self.explain_with_extras(predictor, volumes)[0]

    def explain_with_extras(self, predictor, volumes):
        type(self).calls += 1
        return volumes[:, 0].abs(), {"effect": volumes[:, 0], "Double2": 2 * volumes[:, 0]}


@dataclass(frozen=True, kw_only=True)
class Seeded(Explainer):
    seed: int = option(0, "seed")

    def explain(self, predictor, volumes):
        return torch.rand(volumes[:, 0].shape, generator=torch.Generator().manual_seed(self.seed))

    def explain_with_extras(self, predictor, volumes):
        map = self.explain(predictor, volumes)
        return map, {"negative": -map}


class Plain(Explainer):
    def explain(self, predictor, volumes):
        return volumes[:, 0].abs()


class Wrong(Plain):
    def explain_with_extras(self, predictor, volumes):
        return self.explain(predictor, volumes), {"effect": volumes}


class Alone(Plain):
    def explain_with_extras(self, predictor, volumes):
        return self.explain(predictor, volumes)


METHODS = {"two-fold": Twofold, "seeded": Seeded, "plain": Plain, "wrong": Wrong, "alone": Alone}


@pytest.fixture(autouse=True)
def methods(toy_plugin: types.ModuleType) -> None:
    for name, method in METHODS.items():
        toy_plugin.offer("explainer", name, method)
    Twofold.calls = 0


@pytest.fixture
def run(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> Callable[..., list[Path]]:
    def explained_by(method: str, out: str = "maps", **settings) -> list[Path]:
        settings = {"participants": ["07"], "device": "cpu", **settings}
        return explain(toy_cohort, toy_model, tmp_path / out, method=method, **settings)

    return explained_by


def beside(path: Path, name: str) -> Path:
    return path.with_name(path.name.replace("importance", name))


def record(path: Path) -> dict:
    return json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())


def values(path: Path) -> np.ndarray:
    return nibabel.load(path).get_fdata()


def test_extras_lie_beside_the_map_on_the_images_grid(run, toy_cohort: Path, toy_model: Path) -> None:
    (path,) = run("two-fold")
    names = sorted(file.name for file in path.parent.glob("*.nii.gz"))
    assert names == [f"sub-07_desc-twofold_{name}.nii.gz" for name in ("Double2", "effect", "importance")]
    image = nibabel.load(toy_cohort / "07.nii.gz")
    effect = nibabel.load(beside(path, "effect"))
    assert effect.shape == image.shape
    assert effect.get_data_dtype() == np.float32
    np.testing.assert_allclose(effect.affine, image.affine, atol=1e-4)
    prepared = load_predictor(toy_model).recipe.prepare(toy_cohort / "07.nii.gz")
    np.testing.assert_allclose(values(beside(path, "effect"))[1:-1, 1:-1, 1:-1], prepared.volume[0], rtol=1e-6)
    np.testing.assert_allclose(values(beside(path, "Double2")), 2 * values(beside(path, "effect")), rtol=1e-6)
    np.testing.assert_allclose(values(path), np.abs(values(beside(path, "effect"))), rtol=1e-6)


def test_each_has_a_sidecar_and_the_maps_names_them_all(run) -> None:
    (path,) = run("two-fold")
    assert record(path)["extras"] == ["effect", "Double2"]
    assert "extra" not in record(path)
    there = record(beside(path, "effect"))
    assert there["extra"] == "effect"
    assert there["sha256"] == sha256_of(beside(path, "effect"))
    for name in ("participant_id", "method", "options", "predictor_sha256", "image_sha256", "prediction", "run"):
        assert there[name] == record(path)[name]
    assert "signed" not in there  # that is said of the map


def test_a_method_without_extras_has_none(run) -> None:
    (path,) = run("plain")
    assert record(path)["extras"] == []
    assert [file.name for file in path.parent.iterdir() if file.suffix == ".gz"] == [path.name]


@pytest.mark.parametrize("harm", ["image", "sidecar", "bytes"])
def test_a_subject_whose_extra_is_lost_is_explained_again(run, harm: str) -> None:
    (path,) = run("two-fold")
    extra = beside(path, "Double2")
    content = extra.read_bytes()
    if harm == "bytes":
        extra.write_bytes(b"damaged")
    else:
        (extra if harm == "image" else extra.with_name("sub-07_desc-twofold_Double2.json")).unlink()
    run("two-fold")
    assert Twofold.calls == 2
    assert extra.read_bytes() == content
    run("two-fold")
    assert Twofold.calls == 2


@pytest.mark.parametrize("survived", [0, 1, 2])
def test_a_run_killed_while_it_writes_leaves_no_map_that_is_done_without_its_extras(
    run, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    finished, marked = run("two-fold", "whole"), []
    mark_done = RunFolder.mark_done

    def killed(self, product, record):
        if len(marked) == survived:
            raise KeyboardInterrupt
        marked.append(product)
        mark_done(self, product, record)

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "mark_done", killed)
        with pytest.raises(KeyboardInterrupt):
            run("two-fold")
    folder = finished[0].parents[2] / "maps" / "sub-07"
    assert not (folder / "sub-07_desc-twofold_importance.json").exists()
    (path,) = run("two-fold")
    assert Twofold.calls == 3
    for file in finished[0].parent.glob("*.nii.gz"):
        assert (path.parent / file.name).read_bytes() == file.read_bytes()


@pytest.mark.slow
def test_the_population_is_made_of_maps_alone(run, tmp_path: Path) -> None:
    paths = run("two-fold", participants=["07", "08", "09"])
    summary = aggregate(tmp_path / "maps", tmp_path / "population")
    assert summary["n"] == 3
    mean = values(tmp_path / "population" / "population_mean.nii.gz")
    expected = np.mean([values(path) for path in paths], axis=0)[1:-1, 1:-1, 1:-1]
    np.testing.assert_allclose(mean, expected, rtol=1e-5)


def test_extras_go_to_their_own_subject_in_a_batch(run) -> None:
    for method in ("two-fold", "seeded"):
        name = "effect" if method == "two-fold" else "negative"
        single = run(method, f"{method}-single", participants=["07", "08"], batch_size=1)
        batch = run(method, f"{method}-batch", participants=["07", "08"], batch_size=2)
        for one, other in zip(single, batch, strict=True):
            assert beside(one, name).read_bytes() == beside(other, name).read_bytes()


def test_maps_of_gives_the_maps_that_are_given_with_extras() -> None:
    predictor, volumes = cube_predictor(SHAPE), toy_brains(2, SHAPE)
    given = (predictor, volumes, ["a", "b"], "mine", 0)
    whole, maps = explained(Twofold(), *given), maps_of(Twofold(), *given)
    for volume, one, map in zip(volumes, whole, maps, strict=True):
        assert torch.equal(map, one.map)
        assert torch.equal(one.extras["effect"], volume[0])
    assert all(isinstance(one, PluginError) for one in maps_of(Wrong(), *given))


def test_wrong_extras_are_told_as_the_methods_fault(run) -> None:
    with pytest.raises(PluginError, match=r"method 'wrong' must return as its extra 'effect' maps of shape"):
        run("wrong")
    with pytest.raises(PluginError, match="method 'alone'"):
        run("alone", "others")


@pytest.mark.parametrize(
    ("extras", "message"),
    [
        ([torch.zeros(2, *SHAPE)], "extras by name, got list"),
        ({"signed_effect": torch.zeros(2, *SHAPE)}, "extras named by letters and digits, .*got 'signed_effect'"),
        ({"../effect": torch.zeros(2, *SHAPE)}, "extras named by letters and digits"),
        ({"": torch.zeros(2, *SHAPE)}, "extras named by letters and digits"),
        ({"Importance": torch.zeros(2, *SHAPE)}, "extras named by .* and not 'importance', got 'Importance'"),
        ({3: torch.zeros(1, *SHAPE)}, r"as its extra 3 maps of shape \(2, 6, 7, 8\)"),
        ({"effect": np.zeros((2, *SHAPE))}, "as its extra 'effect' a tensor, got ndarray"),
        ({"effect": torch.zeros(2, *SHAPE).double()}, "as its extra 'effect' float32"),
        ({"effect": torch.full((2, *SHAPE), torch.inf)}, "as its extra 'effect' finite values"),
    ],
)
def test_extras_that_no_map_may_be_are_refused(extras: object, message: str) -> None:
    with pytest.raises(PluginError, match=f"method 'mine' must return {message}"):
        checked_extras(extras, torch.zeros(2, 1, *SHAPE), "mine")


def test_the_effect_of_occlusion_is_kept_with_its_sign(run) -> None:
    (path,) = run("occlusion", options={"box": 4, "stride": 2})
    effect = values(beside(path, "effect"))
    np.testing.assert_array_equal(np.abs(effect), values(path))
    assert effect.any()
