"""What a plugin may do: broken ones are listed, those that misbehave fail alone, and nothing else is hurt."""

from __future__ import annotations

import itertools
import json
import random
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions, entry_points
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from interpbench import Explainer, load_predictor, option
from interpbench.atomic import sha256_of

Run = Callable[..., tuple[int, str, str]]

OFFER = """
from interpbench import Component, Explainer, hookimpl

class Calm(Explainer):
    def explain(self, predictor, volumes):
        return volumes[:, 0]

class Stranger:
    pass

@hookimpl
def interpbench_explainers():
    return [Component("{name}", __name__ + ":{target}", "does nothing")]
"""


def offer(name: str = "guest", target: str = "Calm") -> str:
    return OFFER.format(name=name, target=target)


BROKEN: dict[str, tuple[str, str]] = {
    "an import error": ("from interpbench import nothing_of_this_name", "ImportError"),
    "a missing dependency": ("import a_module_that_is_not_there", "No module named 'a_module_that_is_not_there'"),
    "a SyntaxError": ("def (:", "SyntaxError"),
    "an IndentationError": ("def a():\nreturn 1", "IndentationError"),
    "sys.exit at import": ("import sys; sys.exit('goodbye')", "SystemExit: goodbye"),
    "an error at import": ("1 / 0", "ZeroDivisionError"),
    "an error of two lines": ("raise ValueError('one\\ntwo')", "ValueError: one two"),
    "an endless recursion": ("def a():\n    a()\na()", "RecursionError"),
    "wrong hook arguments": (offer().replace("explainers()", "explainers(volumes)"), "PluginValidationError"),
    "a misspelt hook": (offer().replace("explainers", "explaners"), "unknown hook 'interpbench_explaners'"),
    "no hook": ("answer = 42", "no function marked with @hookimpl"),
    "a hook that fails": (offer().replace("return [", "1 / 0 #"), "ZeroDivisionError"),
    "a hook that offers no components": (offer().replace("return [Component", "return ['x'] #"), "got 'x'"),
    "a name that is a path": (offer("../x"), "got '../x'"),
    "another interface's version": ("from interpbench.hookspecs import HookSpecs2, hookimpl", "ImportError"),
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A function that installs a distribution whose plugin has this source."""
    monkeypatch.syspath_prepend(tmp_path)
    numbers = itertools.count()
    real = tuple(entry_points(group="interpbench"))

    def install(source: str, distribution: str = "guests") -> None:
        module = f"faulty_plugin_{next(numbers)}"
        (tmp_path / f"{module}.py").write_text(source)
        folder = tmp_path / f"{distribution}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[interpbench]\n{distribution} = {module}\n")
        mine = [point for one in distributions(path=[str(tmp_path)]) for point in one.entry_points]
        monkeypatch.setattr("interpbench.registry.entry_points", lambda group: [*real, *mine])

    yield install
    for name in [name for name in sys.modules if name.startswith("faulty_plugin_")]:
        del sys.modules[name]


@pytest.fixture
def explained(run: Run, toy_cohort: Path, toy_model: Path, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Explain three subjects by a method."""

    def explain(method: str, *words: object) -> tuple[int, str, str]:
        picked = [word for label in ("00", "01", "02") for word in ("--participant-label", label)]
        given = ["--predictor", toy_model, "--method", method, "--device", "cpu", "--out", tmp_path / f"maps-{method}"]
        return run("explain", toy_cohort, *given, *picked, *words)

    return explain


@pytest.mark.parametrize("fault", BROKEN)
def test_a_plugin_with(fault: str, installed: Callable[..., None], explained: Run, run: Run) -> None:
    source, cause = BROKEN[fault]
    installed(source)
    code, listed, told = run("methods")
    assert code == 0
    (line,) = [line for line in (listed + told).splitlines() if "BROKEN" in line]
    assert "guests" in line and cause in line
    code, _, told = explained("guest")
    assert code == 2
    assert "There is no explainer 'guest'" in told and "BROKEN: plugin 'guests'" in told
    assert explained("saliency")[0] == 0


CLASHES = {
    "a clash with a built-in": (["saliency"], "Two components are called explainer 'saliency'"),
    "a clash with another plugin": (["guest", "guest"], "Two components are called explainer 'guest'"),
}


@pytest.mark.parametrize("fault", CLASHES)
def test_plugins_with(fault: str, installed: Callable[..., None], explained: Run) -> None:
    names, said = CLASHES[fault]
    for number, name in enumerate(names):
        installed(offer(name), f"guests{number}")
    code, _, told = explained(names[0])
    assert code == 5 and told.count("\n") == 1
    assert said in told and "guests0" in told and "Uninstall one of them" in told
    assert explained("smoothgrad", "-o", "samples=2")[0] == 0


@pytest.mark.parametrize(("target", "said"), [("Stranger", "no subclass of Explainer"), ("Gone", "cannot be loaded")])
def test_a_component_that_is(target: str, said: str, installed: Callable[..., None], explained: Run) -> None:
    installed(offer(target=target))
    code, _, told = explained("guest")
    assert code == 5 and told.count("\n") == 1
    assert said in told and "guests" in told


# At run time


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
    "the wrong shape": "must return maps of shape", "an axis too many": "must return maps of shape",
    "a map too many": "must return maps of shape", "NaN": "1 of 960 are NaN or infinite",
    "infinity": "1 of 960 are NaN or infinite", "float64": "must return float32, got float64",
    "whole numbers": "must return float32, got int64", "another device": "must return maps on cpu",
    "an array": "must return a tensor, got ndarray", "nothing": "must return a tensor, got NoneType",
    "an error": "failed: ValueError: I would rather not", "sys.exit": "failed: SystemExit: 0",
    "an endless recursion": "failed: RecursionError", "all zeros": "the map is zero everywhere",
    "changed weights": "left the network or its input changed",
    "another layer": "left the network or its input changed",
    "hooks left behind": "left the network or its input changed",
    "a changed input": "left the network or its input changed",
}  # fmt: skip
DOUBTED = {"one value": "the map is 3 everywhere"}
PUT_BACK = [deed for deed in DEEDS if deed not in REFUSED and deed not in DOUBTED]


@pytest.fixture
def wayward(toy_plugin: types.ModuleType) -> None:
    toy_plugin.offer("explainer", "wayward", Wayward)


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
        DEEDS, "nothing wrong",  # type: ignore[index]
        lambda predictor, volumes, map: fails(predictor, volumes, map) if next(calls) == 1 else map,
    )  # fmt: skip
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


@pytest.mark.parametrize("deed", PUT_BACK)
def test_a_method_that_leaves_behind(
    deed: str, wayward: None, explained: Run, toy_model: Path, tmp_path: Path
) -> None:
    """What comes after sees network, input, random state and grad mode as if nothing had been."""
    states = torch.get_rng_state(), np.random.get_state()[1], random.getstate()  # type: ignore[index]
    assert explained("wayward", "-o", "deed=nothing wrong")[0] == 0
    sound = {path.name: path.read_bytes() for path in (tmp_path / "maps-wayward").glob("sub-*/*.nii.gz")}
    predictions = [json.loads(path.read_text())["prediction"]
                   for path in sorted((tmp_path / "maps-wayward").glob("sub-*/*_importance.json"))]  # fmt: skip
    before = sha256_of(toy_model / "model.safetensors")
    assert explained("wayward", "-o", f"deed={deed}", "--out", tmp_path / "after")[0] == 0
    maps = {path.name: path.read_bytes() for path in (tmp_path / "after").glob("sub-*/*.nii.gz")}
    assert maps == sound and len(maps) == 3
    assert predictions == [json.loads(path.read_text())["prediction"]
                           for path in sorted((tmp_path / "after").glob("sub-*/*_importance.json"))]  # fmt: skip
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # type: ignore[index]
    assert random.getstate() == states[2]
    assert sha256_of(toy_model / "model.safetensors") == before
    predictor = load_predictor(toy_model)
    assert not predictor.module.training
