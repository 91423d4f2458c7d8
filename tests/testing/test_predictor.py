"""Each check of the predictors' suite passes what is right and catches a predictor that breaks that promise."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from interpbench import Predictor, option
from interpbench.testing import PredictorContract, ToyPredictor, cube_predictor


@dataclass(frozen=True, kw_only=True)
class Toy(Predictor):
    """A toy whose network is small; each subclass below breaks one promise."""

    size: int = option(6, "first edge, voxels")

    @property
    def toy(self) -> ToyPredictor:
        if self not in _TOYS:
            _TOYS[self] = cube_predictor((self.size, 7, 8), nonlinear=True)
        return _TOYS[self]

    @property
    def recipe(self) -> Any:  # type: ignore[override]
        return self.toy.recipe

    @property
    def module(self) -> nn.Module:
        return self.toy.module

    def predict(self, volumes: Tensor) -> Tensor:
        return self.toy.predict(volumes)


_TOYS: dict[Any, ToyPredictor] = {}


class TestToy(PredictorContract):
    @pytest.fixture
    def predictor(self) -> Predictor:
        return Toy(size=7)


# Ill-behaved ones, and the check that must catch each


class NoPredictor:
    pass


def broken(**members: Any) -> Predictor:
    misbehaving = type("Broken", (Toy,), members)
    return dataclass(frozen=True, kw_only=True)(misbehaving)()


def predicts(change: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    return {"predict": lambda self, volumes: change(Toy.predict(self, volumes))}


def predicts_after(action: Callable[[Any, Tensor], Any]) -> dict[str, Any]:
    def predict(self: Any, volumes: Tensor) -> Tensor:
        action(self, volumes)
        return Toy.predict(self, volumes)

    return {"predict": predict}


@dataclass(frozen=True, kw_only=True)
class GrowingToy(Toy):
    def __post_init__(self) -> None:
        object.__setattr__(self, "size", self.size + 1)


def with_noise(predictions: Tensor) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        return predictions + torch.rand_like(predictions)


SAYS = "test_is_a_predictor_that_says_its_unit_and_shape"
ONE = "test_a_prediction_is_one_finite_number_a_subject"
DIFFERENTIABLE = "test_a_prediction_can_be_differentiated_by_its_own_volume_only"
FINGERPRINT = "test_the_fingerprint_stays_the_same"

BROKEN: list[tuple[str, dict[str, Any], Any]] = [
    (SAYS, {}, NoPredictor()),
    (SAYS, {}, broken(unit="")),
    (ONE, {}, broken(**predicts(lambda predictions: predictions[:, None]))),
    (ONE, {}, broken(**predicts(lambda predictions: predictions.squeeze()[0]))),
    (ONE, {}, broken(**predicts(lambda predictions: predictions.int()))),
    (ONE, {}, broken(**predicts(lambda predictions: predictions / 0))),
    (
        "test_a_prediction_is_the_same_alone_and_in_a_batch",
        {},
        broken(**predicts(lambda predictions: predictions - predictions.mean())),
    ),
    ("test_a_prediction_does_not_depend_on_the_random_state", {}, broken(**predicts(with_noise))),
    (DIFFERENTIABLE, {}, broken(**predicts(lambda predictions: predictions.detach()))),
    (DIFFERENTIABLE, {}, broken(**predicts(lambda predictions: predictions - predictions.mean()))),
    (
        DIFFERENTIABLE,
        {},
        broken(predict=lambda self, volumes: Toy.predict(self, volumes.detach().clone().requires_grad_())),
    ),
    (
        "test_the_module_is_in_eval_mode_also_after_predicting",
        {},
        broken(**predicts_after(lambda self, volumes: self.module.train())),
    ),
    (
        "test_no_parameter_needs_a_gradient",
        {},
        broken(module=property(lambda self: nn.Linear(2, 1))),
    ),
    (FINGERPRINT, {}, broken(fingerprint=property(lambda self: str(random.random())))),
    (FINGERPRINT, {}, broken(fingerprint="abc")),
    (
        FINGERPRINT,
        {},
        broken(**predicts_after(lambda self, volumes: next(self.module.parameters()).data.add_(1))),
    ),
    ("test_predicting_changes_nothing", {}, broken(**predicts_after(lambda self, volumes: volumes.add_(1)))),
    ("test_predicting_changes_nothing", {}, broken(**predicts_after(lambda self, volumes: torch.manual_seed(1)))),
    ("test_options_survive_a_round_trip", {}, GrowingToy()),
]


@pytest.fixture
def everything_put_back() -> Iterator[None]:
    _TOYS.clear()
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    yield
    torch.set_grad_enabled(True)
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])
    _TOYS.clear()


@pytest.mark.parametrize(("check", "arguments", "predictor"), BROKEN)
@pytest.mark.usefixtures("everything_put_back")
def test_a_predictor_that_breaks_a_promise_fails_the_check_of_it(
    check: str, arguments: dict[str, Any], predictor: Any
) -> None:
    with pytest.raises(AssertionError):
        getattr(PredictorContract(), check)(predictor, **arguments)


def test_every_check_of_a_predictor_has_a_broken_one_that_it_catches() -> None:
    checks = {name for name, _ in inspect.getmembers(PredictorContract, callable) if name.startswith("test_")}
    assert checks == {check for check, _, _ in BROKEN}
