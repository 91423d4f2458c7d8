"""What may have happened to a model folder: nothing of it is run, and nothing damaged or of another network is used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from interpbench.files.atomic import sha256_of

Run = Callable[..., tuple[int, str, str]]
Deed = Callable[[Path, object], None]  # with the folder, and something that runs code where it is unpickled


def record_changed(**changes: Any) -> Deed:
    def damage(model: Path, evil: object) -> None:
        record = json.loads((model / "model.json").read_text())
        for place, value in changes.items():
            part, _, name = place.partition("__")
            (record[part] if name else record)[name or part] = value
        (model / "model.json").write_text(json.dumps(record))

    return damage


def flipped(place: float) -> Deed:
    def damage(model: Path, evil: object) -> None:
        weights = model / "model.safetensors"
        content = bytearray(weights.read_bytes())
        content[int(place * len(content))] ^= 4
        weights.write_bytes(content)

    return damage


def cut(model: Path, evil: object) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])


def pickled(model: Path, evil: object) -> None:
    torch.save({"state_dict": evil}, model / "model.safetensors")
    record_changed(sha256=sha256_of(model / "model.safetensors"))(model, evil)


def beside(name: str) -> Deed:
    """A pickle beside the weights, in case somebody looks for it."""

    def damage(model: Path, evil: object) -> None:
        (model / "model.safetensors").unlink()
        torch.save({"state_dict": evil}, model / name)

    return damage


def others(model: Path, evil: object) -> None:
    state = {
        name: torch.cat([one, one]) if one.ndim else one for name, one in load_file(model / "model.safetensors").items()
    }
    save_file(state, model / "model.safetensors")
    record_changed(sha256=sha256_of(model / "model.safetensors"))(model, evil)


def text_in(content: bytes) -> Deed:
    return lambda model, evil: (model / "model.json").write_bytes(content) and None


FOLDERS: dict[str, tuple[Deed, str]] = {
    "a flipped bit among the weights": (flipped(0.7), "its SHA-256 differs from the one"),
    "a flipped bit in the header": (flipped(0.0005), "its SHA-256 differs from the one"),
    "weights that are cut": (cut, "its SHA-256 differs from the one"),
    "a pickle named safetensors": (pickled, "not a safetensors file"),
    "a pickle beside no weights": (beside("model.pt"), "model.safetensors is missing"),
    "weights of another width": (others, "of another architecture"),
    "no record": (lambda model, evil: (model / "model.json").unlink(), "model.json is missing"),
    "an empty record": (text_in(b""), "model.json"),
    "a record that is no JSON": (text_in(b"{'a': 1}"), "model.json"),
    "a record that is a list": (text_in(b"[]"), "not a model record"),
    "a record that is no text": (text_in(b"\xff\xfe\x00{"), "model.json"),
    "a record nested a million deep": (text_in(b"[" * 10**6), "model.json"),
    "an option of another network": (record_changed(options__wheels=4), "wheels"),
    "an option that runs code": (record_changed(options__width="__import__('os').mkdir('marker')"), "width"),
    "a shape of text": (record_changed(recipe__shape="big"), "shape"),
    "a shape below 0": (record_changed(recipe__shape=[-1, 12, 8]), "shape"),
    "a shape of millions": (record_changed(recipe__shape=[10**6, 10**6, 10**6]), "shape"),
    "a scale that is no number": (record_changed(scale="much"), "scale"),
    "a scale of NaN": (record_changed(scale=float("nan")), "scale"),
    "an offset that is no number": (record_changed(offset=None), "offset"),
    "a recipe of text": (record_changed(recipe="plain"), "recipe"),
    "options of text": (record_changed(options="none"), "options"),
    "a checksum that is no text": (record_changed(sha256=5), "sha256 is '5', but must be text"),
}


@pytest.mark.parametrize("fault", FOLDERS)
def test_a_model_folder_with(
    fault: str,
    toy_model: Path,
    toy_cohort: Path,
    run: Run,
    tmp_path: Path,
    payloads: Callable[[Path], Mapping[str, object]],
) -> None:
    model = Path(shutil.copytree(toy_model, tmp_path / "network"))
    damage, said = FOLDERS[fault]
    damage(model, payloads(tmp_path / "marker")["os.system"])
    before = {path.name: path.read_bytes() for path in model.iterdir() if path.is_file()}
    given = ["--predictor", model, "--method", "saliency", "--device", "cpu", "--out", tmp_path / "maps"]
    code, _, told = run("explain", toy_cohort, *given)
    assert code in (2, 3), told
    assert told.count("\n") == 1 and told.startswith("Error: ") and "this is a bug" not in told
    assert str(model) in told and said in told, told
    assert not (tmp_path / "marker").exists() and not Path("marker").exists()
    assert not (tmp_path / "maps").exists()
    assert before == {path.name: path.read_bytes() for path in model.iterdir() if path.is_file()}


def test_a_predictor_that_names_another_plugins_class(
    toy_model: Path, toy_cohort: Path, run: Run, tmp_path: Path
) -> None:
    """A record can name what is installed as a predictor, and nothing else."""
    for name in ("os:system", "saliency", "../resnet18"):
        model = Path(shutil.copytree(toy_model, tmp_path / name.replace("/", "-")))
        record_changed(predictor=name)(model, None)
        given = ["--predictor", model, "--method", "saliency", "--device", "cpu", "--out", tmp_path / "maps"]
        code, _, told = run("explain", toy_cohort, *given)
        assert code == 2 and told.count("\n") == 1
        assert f"No predictor {name!r} is installed" in told
