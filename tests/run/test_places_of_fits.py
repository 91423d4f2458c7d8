"""A fit or a model that another program wrote is never removed or replaced."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import interpbench
from interpbench.errors import ConflictError


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.glob("**/*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_explain_removes_only_a_fit_of_its_own(tmp_path: Path) -> None:
    from interpbench.pipeline.own_fit import mark_own, own_files

    fitted = tmp_path / "fitted"
    fitted.mkdir()
    (fitted / "fitted.json").write_text("{}")
    mark_own(fitted)
    assert own_files(fitted) == ()
    other = tmp_path / "other"
    mark_own(other)
    assert "other/fitted.json" in own_files(other) and "other" not in own_files(other)


@dataclass(frozen=True, kw_only=True)
class Learner(interpbench.Explainer):
    """Its map is its option, once it has learned."""

    learned = True
    gain: float = interpbench.option(1.0, "what the map is")

    def fit(self, predictor: interpbench.Predictor, training: Any, validation: Any) -> Learner:
        return self

    def state(self) -> dict[str, torch.Tensor]:
        return {"gain": torch.tensor(self.gain)}

    def with_state(self, state: Mapping[str, torch.Tensor]) -> Learner:
        return self

    def explain(self, predictor: interpbench.Predictor, volumes: torch.Tensor) -> torch.Tensor:
        return volumes[:, 0] * self.gain


@pytest.mark.parametrize("whose", ["explain's", "the user's, of another method", "the user's, of this method"])
def test_explain_removes_no_fit_but_its_own(
    whose: str, toy_cohort: Path, toy_model: Path, toy_plugin: Any, tmp_path: Path
) -> None:
    toy_plugin.offer("explainer", "learner", Learner)
    given: dict[str, Any] = {"device": "cpu", "participants": ["00"]}
    out, fitted = tmp_path / "maps", tmp_path / "maps" / "fitted"
    method = "saliency" if "another" in whose else "learner"
    interpbench.explain(toy_cohort, toy_model, out, method=method, **given)
    if whose != "explain's":
        shutil.rmtree(fitted, ignore_errors=True)
        interpbench.fit(toy_cohort, toy_model, fitted, method="learner", options={"gain": 5}, device="cpu")
    (fitted / "notes.txt").write_text("mine")
    before = hashes(fitted)
    with pytest.raises(ConflictError) if "this" in whose else contextlib.nullcontext():
        options = {} if method == "saliency" else {"gain": 2}
        interpbench.explain(toy_cohort, toy_model, out, method=method, options=options, seed=1, **given)
    after = hashes(fitted)
    assert (fitted / "notes.txt").read_text() == "mine"
    assert (after == before) == (whose != "explain's")


def test_a_model_record_of_another_program_stays(toy_model: Path, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"mine": 1}')
    with pytest.raises(ConflictError, match=r"model\.json"):
        interpbench.save_predictor(tmp_path, interpbench.load_predictor(toy_model), name="resnet18", details={})
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]
