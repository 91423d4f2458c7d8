"""Any plugin declares which of its options name code; what records hold of them is held to the same rule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from interpbench import Explainer, NetworkPredictor, check_options, explain, fit, load_predictor, option, search
from interpbench.errors import InputError, UsageError

Run = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True, kw_only=True)
class Hooked(Explainer):
    """A method of a third party that must learn, with an option that names code."""

    learned = True
    hook: str = option("", "what is called, as module:function", runs=True)

    def __post_init__(self) -> None:
        check_options(self)
        if self.hook:
            __import__(self.hook.partition(":")[0])

    def explain(self, predictor: Any, volumes: torch.Tensor) -> torch.Tensor:
        return volumes[:, 0].abs()


@dataclass(frozen=True, kw_only=True)
class Foreign(NetworkPredictor):
    """A predictor of a third party that imports when it is made."""

    body: str = option("math:sqrt", "function or class that builds the network, as module:function", runs=True)
    wide: bool = option(False, "whether it is wide")

    def __post_init__(self) -> None:
        check_options(self)
        __import__(self.body.partition(":")[0])

    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        return nn.Sequential(nn.Conv3d(1, 2, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 1))


def test_a_third_partys_predictor_declares_what_runs(
    toy_plugin: Any, toy_cohort: Path, somebody: Any, run: Run
) -> None:
    toy_plugin.offer("predictor", "foreign", Foreign)
    record = json.loads((somebody.folder / "model.json").read_text())
    torch.manual_seed(0)
    save_file(Foreign().build((1, 1, 1)).state_dict(), somebody.folder / "model.safetensors")
    digest = hashlib.sha256((somebody.folder / "model.safetensors").read_bytes()).hexdigest()

    def asks(**options: Any) -> None:
        changed = {**record, "predictor": "foreign", "options": options, "sha256": digest}
        (somebody.folder / "model.json").write_text(json.dumps(changed))

    for options in ({}, {"wide": True}, {"body": "math:sqrt"}):  # what the plugin itself names, it may
        asks(**options)
        load_predictor(somebody.folder)
    asks(body="somebodys_network:make")
    with pytest.raises(InputError, match="would import `somebodys_network:make`"):
        load_predictor(somebody.folder)
    assert somebody.markers() == []
    assert run("trust", somebody.folder, "--yes")[0] == 0
    load_predictor(somebody.folder)


@pytest.mark.slow
def test_what_a_fit_recorded_imports_nothing_either(
    toy_plugin: Any, toy_cohort: Path, toy_model: Path, somebody: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_plugin.offer("explainer", "hooked", Hooked)
    fitted, maps = somebody.home / "fitted", somebody.home / "maps"
    words = [
        "explain",
        toy_cohort,
        "--predictor",
        toy_model,
        "--method",
        "hooked",
        "--device",
        "cpu",
        "--participant-label",
        "07",
        "--fitted",
        fitted,
        "--out",
    ]
    fit(toy_cohort, toy_model, fitted, method="hooked", options={"hook": "somebodys_network:make"}, device="cpu")
    code, _, told = run(*words, maps)
    assert code == 0, f"who fitted it named it: {told}"
    monkeypatch.setenv("INTERPBENCH_CONFIG", str(somebody.home / "of-another-user"))
    somebody.forget()
    code, _, told = run(*words, somebody.home / "more")
    assert (code, told.count("\n")) == (3, 1) and "fitted.json would import `somebodys_network:make`" in told
    assert somebody.markers() == []
    assert run(*words, somebody.home / "more", "-o", "hook=somebodys_network:make")[0] == 0
    somebody.forget()
    assert run("trust", fitted, "--yes")[0] == 0 and somebody.markers() == []
    assert run(*words, somebody.home / "most")[0] == 0


@pytest.mark.slow
def test_a_benchmark_imports_nothing_that_maps_and_fits_record(
    toy_plugin: Any, toy_cohort: Path, toy_model: Path, somebody: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_plugin.offer("explainer", "hooked", Hooked)
    fitted, maps = somebody.home / "fitted", somebody.home / "maps"
    asked = {"method": "hooked", "options": {"hook": "somebodys_network:make"}, "device": "cpu"}
    fit(toy_cohort, toy_model, fitted, **asked)
    explain(toy_cohort, toy_model, maps, fitted=fitted, participants=["07"], **asked)
    monkeypatch.setenv("INTERPBENCH_CONFIG", str(somebody.home / "of-another-user"))
    somebody.forget()
    bench = [
        "benchmark",
        toy_cohort,
        "--predictor",
        toy_model,
        "--methods",
        "hooked",
        "--no-floors",
        "--device",
        "cpu",
        "--maps",
        maps,
        "--fitted",
        fitted,
        "--measures",
        "complexity",
        "--participant-label",
        "07",
    ]
    _, _, told = run(*bench, "--out", somebody.home / "bench")
    assert "manifest.json would import `somebodys_network:make`" in told
    assert somebody.markers() == []
    for folder in (fitted, maps):
        assert run("trust", folder, "--yes")[0] == 0
    assert somebody.markers() == []
    _, _, told = run(*bench, "--out", somebody.home / "bench")
    assert "would import" not in told and somebody.markers() == ["marker-imported"]


def test_a_search_runs_over_no_code(toy_plugin: Any, toy_cohort: Path, toy_model: Path, somebody: Any) -> None:
    toy_plugin.offer("explainer", "hooked", Hooked)
    with pytest.raises(UsageError, match="names code to run, which cannot be searched"):
        search(toy_cohort, toy_model, somebody.home / "s", method="hooked", grid={"hook": ["somebodys_network:make"]})
    assert somebody.markers() == []
