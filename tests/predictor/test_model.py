"""Model folders: what is saved comes back, and nothing else is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from interpbench import NetworkPredictor, Recipe, load_predictor, save_predictor
from interpbench.errors import InputError, UsageError
from interpbench.host.registry import discover
from interpbench.predictor.model import read_model_record

RECIPE = Recipe(shape=(6, 7, 8), voxel_size=4.0, centre=(0.0, -10.0, 5.0))


def trained(width: int = 2, seed: int = 0) -> NetworkPredictor:
    torch.manual_seed(seed)
    blank = discover().load("predictor", "resnet18")(width=width)
    predictor: NetworkPredictor = blank.loaded(blank.build(RECIPE.shape), RECIPE, unit="weeks", scale=3.0, offset=40.0)
    return predictor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_predictor(tmp_path, trained(), name="resnet18", details={"training_age_range": [20.0, 80.0]})
    return tmp_path


def rewrite(folder: Path, **values: object) -> None:
    record = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**record, **values}))


def test_a_loaded_predictor_is_the_saved_one(folder: Path) -> None:
    loaded, saved = load_predictor(folder), trained()
    volumes = torch.randn(2, 1, *RECIPE.shape)
    torch.testing.assert_close(loaded.predict(volumes), saved.predict(volumes))
    assert loaded.fingerprint == saved.fingerprint
    assert (loaded.recipe, loaded.unit) == (RECIPE, "weeks")


def test_a_loaded_predictor_is_frozen_and_in_eval_mode(folder: Path) -> None:
    module = load_predictor(folder).module
    assert not any(part.training for part in module.modules())
    assert not any(weights.requires_grad for weights in module.parameters())


def test_saving_twice_gives_the_same_bytes(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    save_predictor(other, trained(), name="resnet18", details={"training_age_range": [20.0, 80.0]})
    for name in ("model.json", "model.safetensors"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()


def test_the_record_keeps_what_it_was_given(folder: Path) -> None:
    record = read_model_record(folder)
    assert record["predictor"] == "resnet18"
    assert record["options"] == {"width": 2, "first_stride": 1}
    assert record["training_age_range"] == [20.0, 80.0]


def test_loading_leaves_the_global_random_state_alone(folder: Path) -> None:
    before = torch.get_rng_state()
    load_predictor(folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_flipped_bit_in_the_weights_is_found(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-5] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="SHA-256"):
        load_predictor(folder)


def test_missing_weights_are_told(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors is missing"):
        load_predictor(folder)


def test_weights_of_another_shape_are_told_by_name(folder: Path) -> None:
    rewrite(folder, options={"width": 3, "first_stride": 1})
    with pytest.raises(InputError, match=r"conv1\.weight is \(2, 1, 7, 7, 7\) in the file and \(3, 1, 7, 7, 7\)"):
        load_predictor(folder)


def test_an_unknown_option_on_record_is_told(folder: Path) -> None:
    rewrite(folder, options={"widht": 3})
    with pytest.raises(InputError, match="Did you mean 'width'"):
        load_predictor(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [("not JSON", "JSON"), ("[]", "not a model record"), ('{"predictor": "resnet18"}', "options, recipe, unit")],
)
def test_a_record_that_is_none_is_refused(folder: Path, content: str, message: str) -> None:
    (folder / "model.json").write_text(content)
    with pytest.raises(InputError, match=message):
        load_predictor(folder)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a model folder, model\.json is missing"):
        load_predictor(tmp_path)


def test_a_network_by_its_mere_name_has_no_weights() -> None:
    with pytest.raises(UsageError, match="needs weights"):
        load_predictor("resnet18")


@pytest.mark.parametrize("name", ["resnet81", "some/where"])
def test_a_name_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no such model folder"):
        load_predictor(name)
