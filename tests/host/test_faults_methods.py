"""What a method may do at run time: one that misbehaves fails alone, by name, and nothing else is hurt."""

from __future__ import annotations

import itertools
import json
import random
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from interpbench import Explainer, load_predictor, option
from interpbench.files.atomic import sha256_of

Run = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True, kw_only=True)
class Wayward(Explainer):
    """A method that does something it must not, to the second of three subjects or to all."""

    deed: str = option("", "what it does")

    def explain(self, predictor: Any, volumes: Any) -> Any:
        return DEEDS[self.deed](predictor, volumes, volumes[:, 0].abs() + 1)


def changes_weights(predictor: Any, volumes: Any, map: Any) -> Any:
    with torch.no_grad():
        for weights in predictor.module.parameters():
            weights.add_(1)
        for buffer in predictor.module.buffers():
            buffer.zero_()
    return map


def replaces_a_layer(predictor: Any, volumes: Any, map: Any) -> Any:
    name = next(name for name, _ in predictor.module.named_children())
    setattr(predictor.module, name, torch.nn.Identity())
    return map


def leaves_hooks(predictor: Any, volumes: Any, map: Any) -> Any:
    for layer in predictor.module.modules():
        layer.register_forward_hook(lambda layer, given, found: found * 0)
    return map


def goes_to_train_mode(predictor: Any, volumes: Any, map: Any) -> Any:
    predictor.module.train()
    return map


def changes_the_input(predictor: Any, volumes: Any, map: Any) -> Any:
    volumes.zero_()
    return map


def changes_random_states(predictor: Any, volumes: Any, map: Any) -> Any:
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    return map


def changes_grad_mode(predictor: Any, volumes: Any, map: Any) -> Any:
    torch.set_grad_enabled(False)
    return map


def asks_for_gradients(predictor: Any, volumes: Any, map: Any) -> Any:
    for weights in predictor.module.parameters():
        weights.requires_grad_(True)
    predictor.predict(volumes).sum().backward()
    return map


def fails(predictor: Any, volumes: Any, map: Any) -> Any:
    raise ValueError("I would\nrather not")


def not_finite(value: float) -> Callable[..., Any]:
    def deed(predictor: Any, volumes: Any, map: Any) -> Any:
        map[0, 3, 4, 5] = value
        return map

    return deed


DEEDS: Mapping[str, Callable[..., Any]] = {
    "the wrong shape": lambda predictor, volumes, map: map[..., :-1],
    "an axis too many": lambda predictor, volumes, map: map[:, None],
    "a map too many": lambda predictor, volumes, map: torch.cat([map, map]),
    "NaN": not_finite(torch.nan),
    "infinity": not_finite(-torch.inf),
    "float64": lambda predictor, volumes, map: map.double(),
    "whole numbers": lambda predictor, volumes, map: map.long(),
    "another device": lambda predictor, volumes, map: map.to("meta"),
    "an array": lambda predictor, volumes, map: map.numpy(),
    "nothing": lambda predictor, volumes, map: None,
    "an error": fails,
    "sys.exit": lambda predictor, volumes, map: sys.exit(0),
    "an endless recursion": lambda predictor, volumes, map: DEEDS["an endless recursion"](predictor, volumes, map),
    "a graph that is kept": lambda predictor, volumes, map: map + predictor.predict(volumes.requires_grad_()).sum() * 0,
    "all zeros": lambda predictor, volumes, map: map * 0,
    "one value": lambda predictor, volumes, map: torch.full_like(map, 3),
    "changed weights": changes_weights,
    "another layer": replaces_a_layer,
    "hooks left behind": leaves_hooks,
    "train mode": goes_to_train_mode,
    "a changed input": changes_the_input,
    "changed random states": changes_random_states,
    "another grad mode": changes_grad_mode,
    "gradients of weights": asks_for_gradients,
    "nothing wrong": lambda predictor, volumes, map: map,
}
REFUSED = {
    "the wrong shape": "must return maps of shape",
    "an axis too many": "must return maps of shape",
    "a map too many": "must return maps of shape",
    "NaN": "1 of 960 are NaN or infinite",
    "infinity": "1 of 960 are NaN or infinite",
    "float64": "must return float32, got float64",
    "whole numbers": "must return float32, got int64",
    "another device": "must return maps on the device of the volumes, cpu, got meta",
    "an array": "must return a tensor, got ndarray",
    "nothing": "must return a tensor, got NoneType",
    "an error": "failed: ValueError: I would rather not",
    "sys.exit": "failed: SystemExit: 0",
    "an endless recursion": "failed: RecursionError",
    "all zeros": "the map is zero everywhere",
    "changed weights": "changed the network or its input",
    "another layer": "changed the network or its input",
    "hooks left behind": "changed the network or its input",
    "a changed input": "changed the network or its input",
}
DOUBTED = {"one value": "the map is 3 everywhere"}
PUT_BACK = [deed for deed in DEEDS if deed not in REFUSED and deed not in DOUBTED]


@pytest.fixture
def wayward(toy_plugin: types.ModuleType) -> None:
    toy_plugin.offer("explainer", "wayward", Wayward)


@pytest.mark.slow
@pytest.mark.parametrize("deed", REFUSED)
def test_a_method_that_returns(deed: str, wayward: None, explained: Run, toy_model: Path, tmp_path: Path) -> None:
    before = sha256_of(toy_model / "model.safetensors")
    code, _, told = explained("wayward", "-o", f"deed={deed}")
    assert code == 5
    last = told.splitlines()[-1]
    assert last.startswith("Error: ") and REFUSED[deed] in last and "method 'wayward'" in last
    assert "Traceback" not in told
    assert not list((tmp_path / "maps-wayward").glob("sub-*/*_importance*"))
    assert sha256_of(toy_model / "model.safetensors") == before
    assert explained("saliency")[0] == 0


def test_a_method_that_fails_for_one_subject(
    wayward: None, explained: Run, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others have their maps, the one is named, and the code is 4."""
    calls = itertools.count()
    monkeypatch.setitem(
        DEEDS,
        "nothing wrong",  # type: ignore[index]
        lambda predictor, volumes, map: fails(predictor, volumes, map) if next(calls) == 1 else map,
    )
    assert explained("wayward", "-o", "deed=nothing wrong")[0] == 4
    assert len(list((tmp_path / "maps-wayward").glob("sub-*/*_importance.nii.gz"))) == 2
    (failure,) = (tmp_path / "maps-wayward" / "failures.tsv").read_text().splitlines()[1:]
    assert failure.startswith("sub-01\t") and "ValueError: I would rather not" in failure


@dataclass(frozen=True, kw_only=True)
class Unteachable(Explainer):
    """A method that must learn, and does not."""

    learned: ClassVar[bool] = True
    deed: str = option("", "what it does")

    def explain(self, predictor: Any, volumes: Any) -> Any:
        return volumes[:, 0]

    def fit(self, predictor: Any, training: Any, validation: Any) -> Any:
        return DEEDS[self.deed](predictor, training[0].volume[None], training[0].volume)


@pytest.mark.parametrize("deed", ["an error", "sys.exit", "an endless recursion"])
def test_a_method_that_while_it_learns_ends_in(
    deed: str, toy_plugin: types.ModuleType, toy_cohort: Path, toy_model: Path, run: Run, tmp_path: Path
) -> None:
    toy_plugin.offer("explainer", "unteachable", Unteachable)
    given = ["--predictor", toy_model, "--method", "unteachable", "-o", f"deed={deed}", "--device", "cpu"]
    code, _, told = run("fit", toy_cohort, *given, "--out", tmp_path / "fitted")
    assert code == 5
    assert f"method 'unteachable' {REFUSED[deed]}" in told.splitlines()[-1]
    assert not (tmp_path / "fitted" / "fitted.json").exists()


@pytest.mark.parametrize("deed", DOUBTED)
def test_a_map_that_is(deed: str, wayward: None, explained: Run, tmp_path: Path) -> None:
    assert explained("wayward", "-o", f"deed={deed}")[0] == 0
    for sidecar in (tmp_path / "maps-wayward").glob("sub-*/*_importance.json"):
        assert any(DOUBTED[deed] in warning for warning in json.loads(sidecar.read_text())["warnings"])


@pytest.mark.slow
@pytest.mark.parametrize("deed", PUT_BACK)
def test_a_method_that_leaves_behind(deed: str, wayward: None, explained: Run, toy_model: Path, tmp_path: Path) -> None:
    """What comes after sees network, input, random state and grad mode as if nothing had been."""
    states = torch.get_rng_state(), np.random.get_state()[1], random.getstate()  # type: ignore[index]
    assert explained("wayward", "-o", "deed=nothing wrong")[0] == 0
    sound = {path.name: path.read_bytes() for path in (tmp_path / "maps-wayward").glob("sub-*/*.nii.gz")}
    predictions = [
        json.loads(path.read_text())["prediction"]
        for path in sorted((tmp_path / "maps-wayward").glob("sub-*/*_importance.json"))
    ]
    before = sha256_of(toy_model / "model.safetensors")
    assert explained("wayward", "-o", f"deed={deed}", "--out", tmp_path / "after")[0] == 0
    maps = {path.name: path.read_bytes() for path in (tmp_path / "after").glob("sub-*/*.nii.gz")}
    assert maps == sound and len(maps) == 3
    assert predictions == [
        json.loads(path.read_text())["prediction"]
        for path in sorted((tmp_path / "after").glob("sub-*/*_importance.json"))
    ]
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # type: ignore[index]
    assert random.getstate() == states[2]
    assert sha256_of(toy_model / "model.safetensors") == before
    predictor = load_predictor(toy_model)
    assert not predictor.module.training
