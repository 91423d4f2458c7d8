"""The conformance suite of predictors."""

from __future__ import annotations

import re
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from interpbench.contract.interfaces import Predictor
from interpbench.testing.brains import toy_brains
from interpbench.testing.components import check_options_survive
from interpbench.testing.snapshot import Snapshot


class PredictorContract:
    """Subclass it with a name that starts with `Test`, give the one fixture, and run pytest.

    For example::

        class TestMine(PredictorContract):
            @pytest.fixture
            def predictor(self):
                return load_predictor("my_model")

    The volumes have the shape that the predictor's recipe asks for; a small one makes the suite fast.
    """

    subjects: ClassVar[int] = 3
    tolerance: ClassVar[float] = 1e-4  # what counts as an equal prediction, as a part of 1 + |prediction|

    @pytest.fixture
    def predictor(self) -> Predictor:
        raise NotImplementedError(
            f"{type(self).__name__} must define the fixture `predictor`, which returns your predictor"
        )

    def test_is_a_predictor_that_says_its_unit_and_shape(self, predictor: Predictor) -> None:
        name = type(predictor).__name__
        assert isinstance(predictor, Predictor), f"{name} is not a subclass of interpbench.Predictor"
        assert isinstance(predictor.unit, str) and predictor.unit, f"unit must be a word, got {predictor.unit!r}"
        shape = tuple(predictor.recipe.shape)
        assert len(shape) == 3 and min(shape) > 0, f"recipe.shape must be three positive numbers, got {shape}"

    def test_a_prediction_is_one_finite_number_a_subject(self, predictor: Predictor) -> None:
        for subjects in (self.subjects, 1):
            predictions = predictor.predict(self._volumes(predictor)[:subjects])
            shape = tuple(predictions.shape)
            assert shape == (subjects,), f"{subjects} volumes gave predictions of shape {shape}, not ({subjects},)"
            assert predictions.is_floating_point(), f"predictions are {predictions.dtype}, not floating point"
            assert bool(predictions.isfinite().all()), f"predictions are not finite: {predictions.tolist()}"

    def test_a_prediction_is_the_same_alone_and_in_a_batch(self, predictor: Predictor) -> None:
        volumes = self._volumes(predictor)
        with torch.no_grad():
            together = predictor.predict(volumes)
            alone = torch.cat([predictor.predict(volume[None]) for volume in volumes])
        self._check_equal(together, alone, "in one batch and one at a time")

    def test_a_prediction_does_not_depend_on_the_random_state(self, predictor: Predictor) -> None:
        volumes = self._volumes(predictor)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(1)
            first = predictor.predict(volumes)
            torch.manual_seed(2)
            second = predictor.predict(volumes)
        self._check_equal(first, second, "after another torch.manual_seed")

    def test_a_prediction_can_be_differentiated_by_its_own_volume_only(self, predictor: Predictor) -> None:
        volumes = self._volumes(predictor).requires_grad_(True)
        predictions = predictor.predict(volumes)
        assert predictions.requires_grad, "predictions have no graph: predict detaches them, or runs without gradients"
        (gradient,) = torch.autograd.grad(predictions[0], volumes, allow_unused=True)
        assert gradient is not None, "the prediction does not depend on the volumes that were given"
        assert bool(gradient.isfinite().all()), "the gradient is not finite"
        leak = float(gradient[1:].abs().max())
        assert leak <= self.tolerance * float(gradient[0].abs().max()), (
            f"the first subject's prediction depends on another subject's volume (gradient {leak:g})"
        )

    def test_the_module_is_in_eval_mode_also_after_predicting(self, predictor: Predictor) -> None:
        for when in ("before", "after"):
            training = [name or "itself" for name, part in predictor.module.named_modules() if part.training]
            assert not training, f"{when} predict these parts of the module are in training mode: {', '.join(training)}"
            predictor.predict(self._volumes(predictor))

    def test_no_parameter_needs_a_gradient(self, predictor: Predictor) -> None:
        wanting = [name for name, value in predictor.module.named_parameters() if value.requires_grad]
        assert not wanting, f"these parameters require a gradient: {', '.join(wanting)}"

    def test_the_fingerprint_stays_the_same(self, predictor: Predictor) -> None:
        first, again = predictor.fingerprint, predictor.fingerprint
        assert first == again, f"asked twice, the fingerprint is {first} and {again}"
        assert re.fullmatch("[0-9a-f]{64}", first), f"the fingerprint is not 64 hexadecimal digits: {first!r}"
        predictor.predict(self._volumes(predictor))
        assert predictor.fingerprint == first, "predict changes the fingerprint: the module's tensors change"

    def test_predicting_changes_nothing(self, predictor: Predictor) -> None:
        volumes = self._volumes(predictor)
        before = Snapshot(predictor, volumes)
        predictor.predict(volumes)
        assert not before.changes(), f"predict changed: {'; '.join(before.changes())}"

    def test_options_survive_a_round_trip(self, predictor: Predictor) -> None:
        check_options_survive(predictor)

    def _volumes(self, predictor: Predictor) -> Tensor:
        return toy_brains(self.subjects, predictor.recipe.shape, seed=7)

    def _check_equal(self, first: Tensor, second: Tensor, when: str) -> None:
        difference = float(((first - second).abs() / (1 + first.abs())).max())
        assert difference <= self.tolerance, f"predictions differ {when}: {first.tolist()} and {second.tolist()}"
