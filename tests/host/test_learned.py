"""What a fit returned is checked before it is stored: an explainer, named finite tensors, a record as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from interpbench import Explainer
from interpbench.errors import PluginError
from interpbench.host.learned import learned_by


class Fitted(Explainer):
    learned = True

    def __init__(self, state: Any = None, record: Any = None) -> None:
        self._state, self._told = state, record

    def explain(self, predictor: Any, volumes: Any) -> Any:
        return volumes[:, 0]

    def state(self) -> Any:
        return self._state() if callable(self._state) else self._state or {}

    @property
    def record(self) -> Any:
        return self._told() if callable(self._told) else self._told or {}


@pytest.mark.parametrize("fitted", [None, {}, Fitted, "fitted"], ids=["nothing", "a state", "a class", "a word"])
def test_a_fit_that_returns_no_explainer_is_named(fitted: Any) -> None:
    with pytest.raises(PluginError, match="method 'm' must return a fitted explainer from `fit`, got "):
        learned_by(fitted, "m")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ones(2), r"must return tensors as its state, but 'w' is ndarray"),
        (1.5, r"must return tensors as its state, but 'w' is float"),
        (None, r"must return tensors as its state, but 'w' is NoneType"),
        (torch.tensor([1.0, torch.nan]), "learned non-finite values, in w"),
        (torch.tensor([-torch.inf], dtype=torch.bfloat16), "learned non-finite values, in w"),
        (torch.tensor(complex(0, torch.inf)), "learned non-finite values, in w"),
        (torch.ones(2, 2).to_sparse(), "must return dense tensors as its state, but 'w' is sparse"),
    ],
    ids=["array", "number", "nothing", "NaN", "infinite bfloat16", "infinite complex", "sparse"],
)
def test_a_state_that_cannot_be_stored_or_believed_is_refused(value: Any, message: str) -> None:
    with pytest.raises(PluginError, match=f"method 'm' {message}"):
        learned_by(Fitted({"fine": torch.ones(1), "w": value}), "m")


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: torch.arange(6.0).reshape(2, 3).T, id="transposed"),
        pytest.param(lambda: torch.ones(1).expand(4, 4), id="expanded"),
        pytest.param(lambda: torch.ones(3, requires_grad=True) * 2, id="with a gradient"),
        pytest.param(lambda: torch.tensor([1, 2]), id="whole numbers"),
        pytest.param(lambda: torch.tensor([True]), id="yes and no"),
        pytest.param(lambda: torch.empty(0, 3), id="empty"),
        pytest.param(lambda: torch.tensor(2.0), id="a number"),
        pytest.param(lambda: torch.nn.Parameter(torch.ones(2)), id="a parameter"),
    ],
)
def test_every_tensor_of_a_state_is_stored_as_it_is(made: Any, tmp_path: Path) -> None:
    tensor = made()
    state = learned_by(Fitted({"w": tensor}), "m").state
    assert not state["w"].requires_grad and state["w"].is_contiguous()
    save_file(dict(state), tmp_path / "s")
    back = load_file(tmp_path / "s")["w"]
    assert back.dtype == tensor.dtype and torch.equal(back, tensor.detach())


def test_two_names_of_one_tensor_are_two_tensors_that_nobody_else_holds(tmp_path: Path) -> None:
    shared = torch.ones(3)
    state = learned_by(Fitted({"a": shared, "b": shared, 3: shared[1:]}), "m").state
    save_file(dict(state), tmp_path / "s")  # refuses tensors that share memory
    shared.zero_()
    assert {name: tensor.tolist() for name, tensor in state.items()} == {"a": [1] * 3, "b": [1] * 3, "3": [1] * 2}


def test_a_record_becomes_plain_values() -> None:
    told = {"loss": np.float64(0.5), "steps": np.arange(2), "nan": float("nan"), "where": Path("a"), "t": (1, None)}
    record = learned_by(Fitted(None, told), "m").record
    assert record == {"loss": 0.5, "steps": [0, 1], "nan": None, "where": "a", "t": [1, None]}


@pytest.mark.parametrize("which", ["state", "record"])
@pytest.mark.parametrize(
    "value",
    [lambda: 1 / 0, lambda: 7, lambda: {"a": object()}, lambda: [1, 2]],
    ids=["fails", "a number", "odd", "list"],
)
def test_what_cannot_be_asked_for_is_told_in_one_line_with_the_method(which: str, value: Any) -> None:
    with pytest.raises(PluginError, match="method 'm' ") as told:
        learned_by(Fitted(**{which: value}), "m")
    assert "\n" not in str(told.value)
