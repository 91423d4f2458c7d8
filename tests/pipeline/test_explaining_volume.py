"""The map of one image or array in memory: the numbers of a run on disk, with no folder."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from torch import nn

from interpbench import Predictor, Recipe, explain, explain_volume, load_predictor, read_cohort
from interpbench.errors import InputError, InterpbenchError, UsageError

SHAPE = (6, 7, 5)


class Linear(nn.Module):
    """The prediction is the sum of weight times voxel, plus 50."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.weight = nn.Parameter(torch.randn(outputs, *SHAPE))

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bijk,oijk->bo", volumes[:, 0], self.weight) + 50


@pytest.fixture
def volume() -> torch.Tensor:
    values = torch.zeros(SHAPE)
    values[1:-1, 1:-1, 1:-1] = 1 + torch.rand(4, 5, 3, generator=torch.Generator().manual_seed(3))
    return values


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(shape=SHAPE, voxel_size=4.0, centre=(1.0, 2.0, 3.0))


def test_saliency_of_a_linear_network_is_the_size_of_its_weights_in_the_brain(
    volume: torch.Tensor, recipe: Recipe
) -> None:
    network = Linear()
    found = explain_volume(Predictor.from_module(network, recipe=recipe), volume, "saliency")
    expected = torch.where(volume != 0, network.weight[0].detach().abs(), 0.0)
    np.testing.assert_allclose(found.map, expected.numpy(), rtol=1e-6)
    np.testing.assert_allclose(found.prediction, float(network(volume[None, None]).detach()), rtol=1e-6)
    assert (found.unit, found.method, found.signed) == ("years", "saliency", False)
    np.testing.assert_allclose(found.affine @ [2.5, 3, 2, 1], [1, 2, 3, 1])  # the middle of the box is its centre
    whole = explain_volume(Predictor.from_module(network, recipe=recipe), volume.numpy()[None], "saliency", whole=True)
    np.testing.assert_allclose(whole.map, network.weight[0].detach().abs().numpy(), rtol=1e-6)


def test_the_map_is_that_of_a_run_on_disk(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    explain(toy_cohort, toy_model, tmp_path / "maps", method="integratedgradients", participants=["03"])
    (written,) = (tmp_path / "maps").rglob("sub-03_*.nii.gz")
    subject = next(one for one in read_cohort(toy_cohort).subjects if one.id == "03")
    for image in (subject.image, str(subject.image), nibabel.load(subject.image)):
        found = explain_volume(load_predictor(toy_model), image, "integratedgradients")
        assert np.array_equal(found.map, nibabel.load(written).get_fdata(dtype=np.float32))
        assert np.array_equal(found.affine, nibabel.load(written).affine)
    found.save(tmp_path / "one.nii.gz")
    assert np.array_equal(nibabel.load(tmp_path / "one.nii.gz").get_fdata(dtype=np.float32), found.map)
    assert explain_volume(toy_model, subject.image, "integratedgradients").prediction == found.prediction


def test_a_fitted_method_is_found_in_its_folder(toy_cohort: Path, toy_model: Path, tmp_path: Path, volume) -> None:
    image = read_cohort(toy_cohort).subjects[0].image
    with pytest.raises(UsageError, match="learns from a cohort: run `interpbench fit` first"):
        explain_volume(toy_model, image, "unoise")
    with pytest.raises(UsageError, match="leave out options and preset"):
        explain_volume(toy_model, image, "unoise", fitted=tmp_path, options={"r": 1})


def test_the_network_in_memory_is_copied_and_left_as_it_was(volume: torch.Tensor, recipe: Recipe) -> None:
    network = nn.Sequential(nn.Dropout(0.5), Linear()).train()
    predictor = Predictor.from_module(network, recipe=recipe)
    explain_volume(predictor, volume, "smoothgrad")
    assert network.training and all(one.requires_grad for one in network.parameters())
    before = predictor.fingerprint
    with torch.no_grad():
        network[1].weight += 1
    assert predictor.fingerprint == before != Predictor.from_module(network, recipe=recipe).fingerprint


def test_a_column_or_a_class_says_which_output_is_meant(volume: torch.Tensor, recipe: Recipe) -> None:
    network = Linear(outputs=3)
    second = Predictor.from_module(network, recipe=recipe, column=1)
    scores = network(volume[None, None]).detach()
    torch.testing.assert_close(second.predict(volume[None, None]), scores[:, 1])
    classes = Predictor.from_module(network, recipe=recipe, classes=("a", "b", "c"), target_class="b")
    odds = scores.softmax(1)[:, 1] / (1 - scores.softmax(1)[:, 1])
    assert classes.unit == "logit"
    torch.testing.assert_close(classes.predict(volume[None, None]), odds.log(), rtol=1e-4, atol=1e-4)
    assert Predictor.from_module(network, recipe=recipe, classes=("a", "b", "c")).target_class == "c"
    prints = {one.fingerprint for one in (second, classes, Predictor.from_module(network, recipe=recipe, column=2))}
    assert len(prints) == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classes": ("a", "b"), "column": 1}, "leave out the column"),
        ({"target_class": "b"}, "name the network's classes"),
        ({"classes": ("young", "old"), "target_class": "odl"}, "Did you mean 'old'"),
    ],
)
def test_a_predictor_that_contradicts_itself_is_refused(recipe: Recipe, given: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Predictor.from_module(Linear(2), recipe=recipe, **given)


def with_a_result() -> nn.Module:
    """A layer that keeps what it made with a gradient, as the older weight norm does."""
    network = Linear()
    network.last = network.weight * 2
    return network


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.jit.trace(nn.Flatten(), torch.zeros(1, 1, *SHAPE)), "a scripted or traced network"),
        (lambda: torch.jit.script(nn.Flatten()), "a scripted or traced network"),
        (with_a_result, "network Linear cannot be copied by copy.deepcopy"),
        (lambda: torch.relu, "a network must be a torch.nn.Module, got builtin_function_or_method"),
        (lambda: Linear, "a network must be a torch.nn.Module, got type"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of scripting and tracing
def test_a_network_that_cannot_be_frozen_is_refused_in_one_line(recipe: Recipe, make, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        Predictor.from_module(make(), recipe=recipe)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: {"image": v[1:]}, r"must have the shape of the recipe, \(6, 7, 5\), got \(5, 7, 5\)"),
        (lambda v: {"image": torch.where(v > 0, torch.nan, v)}, "60 voxels that are not finite"),
        (lambda v: {"image": v, "mask": "mask.nii"}, "a mask needs an image"),
        (lambda v: {"image": v.tolist()}, "must be a file or a nibabel image of voxels, got list"),
        (lambda v: {"image": None}, "got NoneType"),
        (lambda v: {"image": nibabel.Nifti1Image(v.numpy(), np.eye(4)), "mask": v.numpy()}, "the mask .* got ndarray"),
        (lambda v: {"image": v, "method": "salincy"}, "Did you mean 'saliency'"),
        (lambda v: {"image": "nowhere.nii.gz", "affine": np.eye(4)}, "an image brings its own affine"),
        (lambda v: {"image": "nowhere.nii.gz"}, "nowhere.nii.gz"),
        (lambda v: {"image": nibabel.Nifti1Image(np.zeros(SHAPE), np.eye(4))}, "image-in-memory.nii: .*constant"),
        (lambda v: {"image": v, "device": "tpu"}, "device must be auto, cpu or cuda"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_one_line(
    volume: torch.Tensor, recipe: Recipe, change, message: str
) -> None:
    given = change(volume)
    with pytest.raises(InterpbenchError, match=message) as refused:
        explain_volume(Predictor.from_module(Linear(), recipe=recipe), **given)
    assert "\n" not in str(refused.value)


def test_a_network_that_answers_by_chance_is_refused(volume: torch.Tensor, recipe: Recipe) -> None:
    class Chance(Linear):
        def forward(self, volumes: torch.Tensor) -> torch.Tensor:
            return super().forward(nn.functional.dropout(volumes, 0.5, training=True))

    with pytest.raises(InputError, match="the predictor"):
        explain_volume(Predictor.from_module(Chance(), recipe=recipe), volume, "saliency")


def test_several_outputs_need_a_column(volume: torch.Tensor, recipe: Recipe) -> None:
    with pytest.raises(InterpbenchError, match="returns 3 numbers for a volume"):
        explain_volume(Predictor.from_module(Linear(3), recipe=recipe), volume, "saliency")
    with pytest.raises(InterpbenchError, match="there is no column 3 among the network's outputs"):
        explain_volume(Predictor.from_module(Linear(3), recipe=recipe, column=3), volume, "saliency")


def test_a_notebook_shows_the_picture(volume: torch.Tensor, recipe: Recipe, tmp_path: Path) -> None:
    found = explain_volume(Predictor.from_module(Linear(), recipe=recipe), volume, "inputxgradient")
    picture = found.plot(axis="x")
    assert picture._repr_png_().startswith(b"\x89PNG")
    words = " ".join(text.get_text() for text in picture.figure.texts)
    assert "Importance by inputxgradient; the prediction is" in words and "grey: the image" in words
    assert found.signed and "% of the map's mass is below 0 and is not painted" in words
    picture.save(tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
