"""The conformance suite of explainers."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from interpbench.comparison.statistics import auc
from interpbench.contract.interfaces import Explainer, Predictor, Sample
from interpbench.options import option_fields
from interpbench.testing.brains import Shape, fitted, toy_brain, toy_brains, toy_cube, toy_samples
from interpbench.testing.components import check_options_survive, check_presets
from interpbench.testing.snapshot import Snapshot
from interpbench.testing.toys import (
    ToyFailure,
    ToyPredictor,
    constant_predictor,
    cube_predictor,
    failing,
)


class ExplainerContract:
    """Subclass it with a name that starts with `Test`, give the one fixture, and run pytest.

    For example::

        class TestMine(ExplainerContract):
            @pytest.fixture
            def explainer(self):
                return Mine(window=3)

    Choose options that suit a volume of 12 x 14 x 10 voxels, or another `shape`. A learned explainer is fitted to
    each toy once; the other class attributes say how much it gets to learn from and how exact it must then be.
    """

    shape: ClassVar[Shape] = (12, 14, 10)  # of the toy volumes, voxels
    subjects: ClassVar[int] = 3  # explained in each check
    training_subjects: ClassVar[int] = 24  # that a learned explainer is fitted to
    validation_subjects: ClassVar[int] = 8
    localisation_auc: ClassVar[float] = 0.9  # the least mean AUC of the cube that matters among the brain's voxels
    flatness: ClassVar[float] = 0.1  # the largest spread for a constant predictor, as a part of that for the cube
    tolerance: ClassVar[float] = 1e-4  # what counts as equal, as a part of the map's spread

    # The unfitted one is kept beside the fitted: a repr that holds an address stays its own.
    _fits: ClassVar[dict[tuple[Any, ...], tuple[Explainer, Explainer]]] = {}
    _refits: ClassVar[dict[tuple[Any, ...], tuple[Explainer, Explainer, list[str]]]] = {}

    @pytest.fixture
    def explainer(self) -> Explainer:
        raise NotImplementedError(
            f"{type(self).__name__} must define the fixture `explainer`, which returns your explainer"
        )

    # What a map is

    def test_is_an_explainer(self, explainer: Explainer) -> None:
        assert isinstance(explainer, Explainer), (
            f"{type(explainer).__name__} is not a subclass of interpbench.Explainer"
        )

    def test_a_map_has_the_shape_of_its_volume_and_is_finite_float32(self, explainer: Explainer) -> None:
        volumes = self._volumes()
        maps = self._ready(explainer).explain(self._cube(), volumes)
        assert isinstance(maps, Tensor), f"explain returned {type(maps).__name__}, not a tensor"
        expected = (self.subjects, *self.shape)
        assert tuple(maps.shape) == expected, f"maps have shape {tuple(maps.shape)}, not {expected}"
        assert maps.dtype == torch.float32, f"maps are {maps.dtype}, not torch.float32"
        assert maps.device == volumes.device, f"maps are on {maps.device}, the volumes on {volumes.device}"
        assert not maps.requires_grad, "maps still hold a graph: detach them"
        assert bool(maps.isfinite().all()), f"{int((~maps.isfinite()).sum())} voxels are NaN or infinite"

    def test_an_unsigned_map_is_nowhere_below_zero(self, explainer: Explainer) -> None:
        if explainer.signed:
            return
        maps = self._explained(explainer, self._cube())
        lowest = float(maps.min())
        slack = self.tolerance * _spread(maps, toy_brain(self.shape))
        assert lowest >= -slack, f"`signed` is False, but the lowest importance is {lowest:g}"

    # What it must find, and what it must not

    def test_the_only_cube_that_matters_to_a_linear_predictor_is_found(self, explainer: Explainer) -> None:
        self._check_localisation(explainer, cube_predictor(self.shape))

    def test_the_only_cube_that_matters_to_a_nonlinear_predictor_is_found(self, explainer: Explainer) -> None:
        self._check_localisation(explainer, self._cube())

    def test_a_constant_predictor_gives_a_flat_map(self, explainer: Explainer) -> None:
        brain = toy_brain(self.shape)
        flat = _spread(self._explained(explainer, constant_predictor(self.shape)), brain)
        usual = _spread(self._explained(explainer, self._cube()), brain)
        assert flat <= max(self.flatness * usual, 1e-6), (
            f"inside the brain a constant predictor's maps vary by {flat:g}, those of a predictor that reads one "
            f"cube by {usual:g}; at most {self.flatness:g} of that is allowed"
        )

    # What it must not depend on

    def test_a_map_is_the_same_alone_and_in_a_batch(self, explainer: Explainer) -> None:
        volumes, predictor = self._volumes(), self._cube()
        ready = self._ready(explainer)
        together = ready.explain(predictor, volumes)
        alone = torch.cat([ready.explain(predictor, volume[None]) for volume in volumes])
        self._check_equal(together, alone, "in one batch and one at a time")
        self._check_equal(together, ready.explain(predictor, volumes.flip(0)).flip(0), "in another order")

    def test_a_map_does_not_depend_on_the_global_random_state(self, explainer: Explainer) -> None:
        ready = self._ready(explainer)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            first = ready.explain(self._cube(), self._volumes())
            torch.manual_seed(2)
            second = ready.explain(self._cube(), self._volumes())
        self._check_equal(first, second, "after another torch.manual_seed")

    # What it must leave alone

    def test_explaining_changes_nothing_but_the_map(self, explainer: Explainer) -> None:
        ready, predictor, volumes = self._ready(explainer), self._cube(), self._volumes()
        before = Snapshot(predictor, volumes)
        ready.explain(predictor, volumes)
        assert not before.changes(), f"explain changed: {'; '.join(before.changes())}"

    @pytest.mark.parametrize("stage", ["forward", "backward"])
    @pytest.mark.parametrize("call", [1, 2])
    def test_a_failure_of_the_predictor_passes_through_and_changes_nothing(
        self, explainer: Explainer, call: int, stage: str
    ) -> None:
        ready, volumes = self._ready(explainer), self._volumes()
        predictor = failing(self._cube(), call=call, stage=stage)
        before, raised = Snapshot(predictor, volumes), False
        try:
            ready.explain(predictor, volumes)
        except ToyFailure:
            raised = True
        assert raised or not predictor.charge.blown, "the predictor raised an error, and explain hid it"
        assert not before.changes(), f"explain left this changed after an exception: {'; '.join(before.changes())}"

    # Its options

    def test_options_survive_a_round_trip(self, explainer: Explainer) -> None:
        check_options_survive(explainer)

    def test_presets_are_valid(self, explainer: Explainer) -> None:
        check_presets(explainer)

    # Learning

    def test_what_needs_no_learning_is_ready_as_it_is(self, explainer: Explainer) -> None:
        if explainer.learned:
            return
        samples = toy_samples(self._cube(), 2)
        assert explainer.fit(self._cube(), samples, samples) is explainer, (
            "`learned` is False, but fit returns another explainer"
        )
        assert not explainer.state(), "`learned` is False, but there is a state"

    def test_what_was_learned_survives_being_stored(self, explainer: Explainer) -> None:
        ready = self._ready(explainer)
        again = explainer.with_state(load(save(dict(ready.state()))))
        predictor, volumes = self._cube(), self._volumes()
        first, second = ready.explain(predictor, volumes), again.explain(predictor, volumes)
        self._check_equal(first, second, "after the state was stored and read")

    def test_what_was_measured_while_learning_can_be_stored(self, explainer: Explainer) -> None:
        record = self._ready(explainer).record
        try:
            json.dumps(record)
        except (TypeError, ValueError) as cause:
            raise AssertionError(f"`record` is not JSON-ready: {cause}") from cause

    def test_what_must_learn_refuses_to_explain_before(self, explainer: Explainer) -> None:
        if not explainer.learned:
            return
        try:
            explainer.explain(self._cube(), self._volumes())
        except Exception:
            return
        raise AssertionError("`learned` is True, but explain gives maps before fit")

    def test_learning_twice_gives_the_same_bytes(self, explainer: Explainer) -> None:
        if not explainer.learned:
            return
        first, second = self._ready(explainer).state(), self._learned_again(explainer)[0].state()
        assert first, "`learned` is True, but after fit there is no state"
        assert first.keys() == second.keys(), "two fits gave states of different names"
        differing = [name for name in first if not torch.equal(first[name], second[name])]
        assert not differing, f"two fits with one seed differ in: {', '.join(differing)}"

    def test_learning_gives_a_copy_and_changes_nothing_else(self, explainer: Explainer) -> None:
        if not explainer.learned:
            return
        learned, changes = self._learned_again(explainer)
        assert not changes, f"fit changed: {'; '.join(changes)}"
        assert learned is not explainer, "fit returned the explainer itself; it must return a fitted copy"
        self.test_what_must_learn_refuses_to_explain_before(explainer)

    def test_a_failure_of_the_predictor_while_learning_changes_nothing(self, explainer: Explainer) -> None:
        if not explainer.learned:
            return
        predictor = failing(self._cube(), call=2)
        samples = toy_samples(self._cube(), self.training_subjects)
        before, raised = Snapshot(predictor, *_tensors(samples)), False
        try:
            explainer.fit(predictor, samples, samples[: self.validation_subjects])
        except ToyFailure:
            raised = True
        assert raised or not predictor.charge.blown, "the predictor raised an error, and fit hid it"
        assert not before.changes(), f"fit left this changed after an exception: {'; '.join(before.changes())}"

    def test_a_template_is_a_floor_and_an_option_takes_its_file(self, explainer: Explainer) -> None:
        if explainer.template is None:
            return
        assert explainer.floor, (
            "`template` is declared, but `floor` is not: one map for all subjects does not use the network"
        )
        names = [field.name for field in option_fields(type(explainer))]
        assert explainer.template in names, f"`template` names no option: {explainer.template!r} is none of {names}"

    # How the checks are made

    def _check_localisation(self, explainer: Explainer, predictor: Predictor) -> None:
        maps = self._explained(explainer, predictor)
        maps = maps.abs() if explainer.signed else maps
        cube, brain = toy_cube(self.shape), toy_brain(self.shape)
        areas = [auc(importance[brain], cube[brain]) for importance in maps]
        mean = sum(areas) / len(areas)
        assert mean >= self.localisation_auc, (
            f"only one cube matters, but its mean AUC among the brain's voxels is {mean:.3f}, "
            f"below localisation_auc = {self.localisation_auc:g}"
        )

    def _check_equal(self, first: Tensor, second: Tensor, when: str) -> None:
        difference = float((first - second).abs().max())
        allowed = self.tolerance * _spread(first, torch.ones_like(first[0], dtype=torch.bool))
        assert difference <= allowed, f"maps differ {when} by {difference:g}; {allowed:g} is allowed"

    def _explained(self, explainer: Explainer, predictor: Predictor) -> Tensor:
        return self._ready(explainer, predictor).explain(predictor, self._volumes())

    def _ready(self, explainer: Explainer, predictor: Predictor | None = None) -> Explainer:
        """The explainer itself, or one fitted to the predictor: fitted once, however many checks ask."""
        predictor = predictor or self._cube()
        if not explainer.learned:
            return explainer
        key = (type(self), type(explainer), repr(explainer), predictor.fingerprint)
        if key not in self._fits:
            self._fits[key] = (explainer, self._fit(explainer, predictor))
        return self._fits[key][1]

    def _learned_again(self, explainer: Explainer) -> tuple[Explainer, list[str]]:
        """Fitted a second time, under another global random state, and what that changed."""
        key = (type(self), type(explainer), repr(explainer))
        if key not in self._refits:
            predictor = self._cube()
            samples = toy_samples(predictor, self.training_subjects + self.validation_subjects, seed=1)
            training, validation = samples[: self.training_subjects], samples[self.training_subjects :]
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(99)
                before = Snapshot(predictor, *_tensors(samples))
                again = explainer.fit(predictor, training, validation)
                self._refits[key] = (explainer, again, before.changes())
        return self._refits[key][1:]

    def _fit(self, explainer: Explainer, predictor: Predictor) -> Explainer:
        return fitted(explainer, predictor, training=self.training_subjects, validation=self.validation_subjects)

    def _cube(self) -> ToyPredictor:
        return cube_predictor(self.shape, nonlinear=True)

    def _volumes(self) -> Tensor:
        return toy_brains(self.subjects, self.shape, seed=7)


def _spread(maps: Tensor, inside: Tensor) -> float:
    """The largest difference between two voxels of one map."""
    values = maps[:, inside]
    return float((values.amax(dim=1) - values.amin(dim=1)).max())


def _tensors(samples: list[Sample]) -> list[Tensor]:
    return [tensor for sample in samples for tensor in (sample.volume, sample.brain)]
