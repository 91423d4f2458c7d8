"""Each check of the explainers' suite passes what is right and catches an explainer that breaks that promise."""

from __future__ import annotations

import copy
import inspect
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from interpbench import Explainer, Predictor, option
from interpbench.errors import UsageError
from interpbench.testing import ExplainerContract

SHAPE = (12, 14, 10)


@dataclass(frozen=True, kw_only=True)
class Gradient(Explainer):
    """|gradient|; each subclass below breaks one promise."""

    samples: int = option(1, "noisy copies")

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        inputs = volumes.detach().clone().requires_grad_(True)
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(predictor.predict(inputs).sum(), inputs)
        return gradient[:, 0].abs()


@dataclass(frozen=True, kw_only=True)
class Learned(Gradient):
    """Learns the mean |gradient| of the training subjects."""

    learned: ClassVar[bool] = True
    _mean: ClassVar[Tensor | None] = None

    def fit(self, predictor: Predictor, training: Any, validation: Any, workspace: Any = None) -> Self:
        volumes = torch.stack([sample.volume for sample in training])
        return self.with_state({"mean": Gradient.explain(self, predictor, volumes).mean(dim=0)})

    def with_state(self, state: Mapping[str, Tensor]) -> Self:
        learned = copy.copy(self)
        object.__setattr__(learned, "_mean", state["mean"])
        return learned

    def state(self) -> dict[str, Tensor]:
        return {} if self._mean is None else {"mean": self._mean}

    @property
    def record(self) -> dict[str, Any]:
        return {"warnings": []}

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        if self._mean is None:
            raise ValueError("fit first")
        return self._mean.expand(len(volumes), -1, -1, -1).clone()


class TestGradient(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return Gradient(samples=3)


class TestLearned(ExplainerContract):
    training_subjects = 6

    @pytest.fixture
    def explainer(self) -> Explainer:
        return Learned()


# Ill-behaved ones: how they misbehave, and below the check that must catch them

Explain = Callable[[Any, Predictor, Tensor], Tensor]


def broken(explain: Explain, base: type = Gradient, **members: Any) -> Explainer:
    misbehaving = type("Broken", (base,), {"explain": explain, **members})
    return dataclass(frozen=True, kw_only=True)(misbehaving)()


def right(self: Any, predictor: Predictor, volumes: Tensor) -> Tensor:
    return Gradient.explain(self, predictor, volumes)


def does(action: Callable[[Predictor, Tensor], Any]) -> Explain:
    """Explain rightly, and do something else besides."""

    def explain(self: Any, predictor: Predictor, volumes: Tensor) -> Tensor:
        maps = right(self, predictor, volumes)
        action(predictor, volumes)
        return maps

    return explain


def gives(change: Callable[[Tensor], Any]) -> Explain:
    """Explain rightly, and hand on something else."""

    def explain(self: Any, predictor: Predictor, volumes: Tensor) -> Any:
        return change(right(self, predictor, volumes))

    return explain


def blind(self: Any, predictor: Predictor, volumes: Tensor) -> Tensor:
    return volumes[:, 0].abs()


def swallowing(self: Any, predictor: Predictor, volumes: Tensor) -> Tensor:
    try:
        right(self, predictor, volumes)
        return right(self, predictor, volumes)
    except Exception:
        return volumes[:, 0].abs()


def leaving_train_mode(self: Any, predictor: Predictor, volumes: Tensor) -> Tensor:
    predictor.module.train()
    right(self, predictor, volumes)
    maps = right(self, predictor, volumes)
    predictor.module.eval()
    return maps


def linear_only(self: Any, predictor: Predictor, volumes: Tensor) -> Tensor:
    maps = right(self, predictor, volumes)
    return maps * (maps.amax(dim=(1, 2, 3), keepdim=True) == maps) + volumes[:, 0].abs()


def nonlinear_only(self: Any, predictor: Predictor, volumes: Tensor) -> Tensor:
    there, back = predictor.predict(volumes), predictor.predict(-volumes)
    curvature = (there + back - 2 * predictor.predict(volumes * 0)).abs().max()
    return right(self, predictor, volumes) if curvature > 1e-2 else blind(self, predictor, volumes)


def learner(fit: Callable[..., Any], **members: Any) -> Explainer:
    return broken(Learned.explain, Learned, fit=fit, **members)


def fit_then(action: Callable[..., Any]) -> Callable[..., Any]:
    def fit(self: Any, predictor: Predictor, training: Any, validation: Any) -> Any:
        action(self, predictor, training)
        return Learned.fit(self, predictor, training, validation)

    return fit


def fit_in_place(self: Any, predictor: Predictor, training: Any, validation: Any) -> Any:
    object.__setattr__(self, "_mean", Learned.fit(self, predictor, training, validation).state()["mean"])
    return Learned.fit(self, predictor, training, validation)


def fit_unseeded(self: Any, predictor: Predictor, training: Any, validation: Any) -> Any:
    learned = Learned.fit(self, predictor, training, validation)
    with torch.random.fork_rng(devices=[]):
        return self.with_state({"mean": learned.state()["mean"] + 1e-6 * torch.rand(SHAPE)})


def fit_swallowing(self: Any, predictor: Predictor, training: Any, validation: Any) -> Any:
    try:
        Learned.fit(self, predictor, training, validation)
        return Learned.fit(self, predictor, training, validation)
    except Exception:
        return self


def fit_leaving_train_mode(self: Any, predictor: Predictor, training: Any, validation: Any) -> Any:
    predictor.module.train()
    Learned.fit(self, predictor, training, validation)
    learned = Learned.fit(self, predictor, training, validation)
    predictor.module.eval()
    return learned


@dataclass(frozen=True, kw_only=True)
class Doubling(Gradient):
    samples: int = option(1, "doubles each time it is set")

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", 2 * self.samples)


class NoExplainer:
    signed = learned = False


def noisy(maps: Tensor) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        return maps + maps.max() * torch.rand_like(maps)


SHAPE_CHECK = "test_a_map_has_the_shape_of_its_volume_and_is_finite_float32"
NOTHING = "test_explaining_changes_nothing_but_the_map"
FAILURE = "test_a_failure_of_the_predictor_passes_through_and_changes_nothing"
BATCH = "test_a_map_is_the_same_alone_and_in_a_batch"
TEMPLATE = "test_a_template_is_a_floor_and_an_option_takes_its_file"
LEARNING_CHANGES = "test_learning_gives_a_copy_and_changes_nothing_else"
LEARNING_FAILS = "test_a_failure_of_the_predictor_while_learning_changes_nothing"

BROKEN: list[tuple[str, dict[str, Any], Any]] = [
    ("test_is_an_explainer", {}, NoExplainer()),
    (SHAPE_CHECK, {}, broken(gives(lambda maps: maps.numpy()))),
    (SHAPE_CHECK, {}, broken(gives(lambda maps: maps[:, None]))),
    (SHAPE_CHECK, {}, broken(gives(lambda maps: maps.transpose(1, 3)))),
    (SHAPE_CHECK, {}, broken(gives(lambda maps: maps.double()))),
    (SHAPE_CHECK, {}, broken(gives(lambda maps: maps.requires_grad_()))),
    (SHAPE_CHECK, {}, broken(gives(lambda maps: maps / maps))),
    ("test_an_unsigned_map_is_nowhere_below_zero", {}, broken(gives(lambda maps: -maps))),
    ("test_the_only_cube_that_matters_to_a_linear_predictor_is_found", {}, broken(nonlinear_only)),
    ("test_the_only_cube_that_matters_to_a_nonlinear_predictor_is_found", {}, broken(linear_only)),
    ("test_a_constant_predictor_gives_a_flat_map", {}, broken(blind)),
    (BATCH, {}, broken(gives(lambda maps: maps / maps.sum(dim=0, keepdim=True).clamp(min=1)))),
    (BATCH, {}, broken(gives(lambda maps: maps * (1 + torch.arange(len(maps))[:, None, None, None])))),
    ("test_a_map_does_not_depend_on_the_global_random_state", {}, broken(gives(noisy))),
    (NOTHING, {}, broken(does(lambda predictor, volumes: predictor.module.train()))),
    (NOTHING, {}, broken(does(lambda predictor, volumes: predictor.module.requires_grad_(True)))),
    (NOTHING, {}, broken(does(lambda predictor, volumes: next(predictor.module.parameters()).data.mul_(2)))),
    (NOTHING, {}, broken(does(lambda predictor, volumes: predictor.module.register_forward_hook(print)))),
    (NOTHING, {}, broken(does(lambda predictor, volumes: setattr(predictor.module, "forward", print)))),
    (NOTHING, {}, broken(does(lambda predictor, volumes: predictor.module.add_module("new", nn.ReLU())))),
    (NOTHING, {}, broken(does(lambda predictor, volumes: volumes.mul_(2)))),
    (NOTHING, {}, broken(does(lambda predictor, volumes: volumes.requires_grad_(True)))),
    (NOTHING, {}, broken(does(lambda predictor, volumes: setattr(volumes, "grad", volumes.clone())))),
    (NOTHING, {}, broken(does(lambda predictor, volumes: torch.set_grad_enabled(False)))),
    (NOTHING, {}, broken(does(lambda predictor, volumes: torch.manual_seed(0)))),
    (NOTHING, {}, broken(does(lambda predictor, volumes: np.random.seed(0)))),
    (NOTHING, {}, broken(does(lambda predictor, volumes: random.seed(0)))),
    (FAILURE, {"call": 1, "stage": "forward"}, broken(swallowing)),
    (FAILURE, {"call": 2, "stage": "backward"}, broken(swallowing)),
    (FAILURE, {"call": 1, "stage": "forward"}, broken(leaving_train_mode)),
    (FAILURE, {"call": 1, "stage": "backward"}, broken(leaving_train_mode)),
    (FAILURE, {"call": 2, "stage": "forward"}, broken(leaving_train_mode)),
    ("test_options_survive_a_round_trip", {}, Doubling(samples=1)),
    ("test_presets_are_valid", {}, broken(right, presets={"fine": {"smaples": 2}})),
    ("test_presets_are_valid", {}, broken(right, Doubling, presets={"fine": {"samples": 2}})),
    (TEMPLATE, {}, broken(right, template="samples")),
    (TEMPLATE, {}, broken(right, floor=True, template="picture")),
    ("test_what_needs_no_learning_is_ready_as_it_is", {}, broken(right, fit=lambda self, *_: copy.copy(self))),
    ("test_what_needs_no_learning_is_ready_as_it_is", {}, broken(right, state=lambda self: {"a": torch.ones(1)})),
    (
        "test_what_was_learned_survives_being_stored",
        {},
        learner(Learned.fit, state=lambda self: {"mean": self._mean.round()}),
    ),
    (
        "test_what_was_measured_while_learning_can_be_stored",
        {},
        learner(Learned.fit, record=property(lambda self: {"curve": torch.ones(2)})),
    ),
    ("test_what_must_learn_refuses_to_explain_before", {}, broken(right, Learned)),
    ("test_learning_twice_gives_the_same_bytes", {}, learner(fit_unseeded)),
    ("test_learning_twice_gives_the_same_bytes", {}, learner(Learned.fit, state=lambda self: {})),
    (LEARNING_CHANGES, {}, learner(fit_in_place)),
    (LEARNING_CHANGES, {}, learner(fit_then(lambda self, predictor, training: predictor.module.train()))),
    (LEARNING_CHANGES, {}, learner(fit_then(lambda self, predictor, training: training[0].volume.zero_()))),
    (LEARNING_CHANGES, {}, learner(fit_then(lambda self, predictor, training: torch.manual_seed(0)))),
    (LEARNING_FAILS, {}, learner(fit_swallowing)),
    (LEARNING_FAILS, {}, learner(fit_leaving_train_mode)),
]


@pytest.mark.parametrize(("check", "arguments", "explainer"), BROKEN)
@pytest.mark.usefixtures("everything_put_back")
def test_an_explainer_that_breaks_a_promise_fails_the_check_of_it(
    check: str, arguments: dict[str, Any], explainer: Any
) -> None:
    with pytest.raises((AssertionError, UsageError)):
        getattr(ExplainerContract(), check)(explainer, **arguments)


def test_every_check_of_an_explainer_has_a_broken_one_that_it_catches() -> None:
    checks = {name for name, _ in inspect.getmembers(ExplainerContract, callable) if name.startswith("test_")}
    assert checks == {check for check, _, _ in BROKEN}
