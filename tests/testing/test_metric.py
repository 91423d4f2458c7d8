"""Each check of the metrics' suite passes what is right and catches a metric that breaks that promise."""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from interpbench import Case, Measure, Metric, option
from interpbench.errors import NotApplicable
from interpbench.testing import MetricContract

FALL = Measure(name="fall", unit="{unit}", direction="higher", help="change of the prediction without the top 5 %")
CURVE = Measure(
    name="fall_curve", unit="{unit}", direction="higher", help="the same", steps=(2.0, 5.0), steps_name="hidden (%)"
)
RATIO = Measure(
    name="ratio",
    unit="",
    direction="higher",
    help="importance in the truth over chance",
    chance=1.0,
    needs_truth=True,
)


def top(case: Case, percent: float) -> Tensor:
    """The most important voxels, ties broken at random."""
    score = case.importance[case.brain].numpy()
    ties = torch.rand(score.shape, generator=case.generator("ties")).numpy()
    inside = np.zeros(score.shape, dtype=bool)
    inside[np.lexsort((ties, score))[::-1][: int(percent / 100 * score.size)]] = True
    mask = torch.zeros_like(case.brain)
    mask[case.brain] = torch.from_numpy(inside)
    return mask


def fall(case: Case, percent: float, draws: int = 9) -> float:
    """Mean change of the prediction when the top is replaced by noise."""
    generator = case.generator("noise")
    noise = case.once("noise", lambda: torch.randn(draws, *case.volume.shape, generator=generator))
    volumes = torch.where(top(case, percent), noise, case.volume)
    return float((case.predict(volumes) - case.prediction).abs().mean())


def ratio(case: Case) -> float:
    if case.truth is None:
        return math.nan
    inside, brain = case.importance[case.truth & case.brain].double(), case.importance[case.brain].double()
    if inside.numel() == 0 or float(brain.sum()) == 0:
        return math.nan
    return float(inside.mean() / brain.mean())


@dataclass(frozen=True, kw_only=True)
class Good(Metric):
    """Each one made by `broken` breaks one promise."""

    draws: int = option(9, "noises")

    @property
    def measures(self) -> tuple[Measure, ...]:
        return (FALL, CURVE, RATIO)

    def measure(self, case: Case) -> Mapping[str, Any]:
        curve = [fall(case, step, self.draws) for step in CURVE.steps]
        return {"fall": fall(case, 5, self.draws), "fall_curve": curve, "ratio": ratio(case)}


class TestGood(MetricContract):
    @pytest.fixture
    def metric(self) -> Metric:
        return Good(draws=10)


# Ill-behaved ones: how they misbehave, and below the check that must catch them


def broken(measure: Callable[[Any, Case], Any], base: type = Good, **members: Any) -> Metric:
    misbehaving = type("Broken", (base,), {"measure": measure, **members})
    return dataclass(frozen=True, kw_only=True)(misbehaving)()


def right(self: Any, case: Case) -> Any:
    return Good.measure(self, case)


def gives(change: Callable[[dict[str, Any]], Any]) -> Metric:
    """Measures rightly, and hands on something else."""
    return broken(lambda self, case: change(dict(right(self, case))))


def does(action: Callable[[Case], Any]) -> Metric:
    """Measures rightly, and does something else besides."""

    def measure(self: Any, case: Case) -> Any:
        action(case)
        return right(self, case)

    return broken(measure)


def plus(more: Callable[[Case], float]) -> Metric:
    """Adds to one right figure what it must not depend on."""

    def measure(self: Any, case: Case) -> Any:
        found = dict(right(self, case))
        return {**found, "fall": found["fall"] + more(case)}

    return broken(measure)


def declaring(*measures: Any) -> Metric:
    return broken(right, measures=property(lambda self: measures))


def changed(measure: Measure, **fields: Any) -> Measure:
    return Measure(**{**vars(measure), **fields})


def only(measure: Measure, figure: Callable[[Case], float]) -> Metric:
    return broken(lambda self, case: {measure.name: figure(case)}, measures=property(lambda self: (measure,)))


def by_position(case: Case) -> float:
    """Ties go to the voxels that come last: near the cube, as it happens."""
    order = np.argsort(case.importance.flatten().numpy(), kind="stable")[::-1].copy()
    mask = torch.zeros(case.brain.numel(), dtype=torch.bool)
    mask[torch.from_numpy(order[: case.brain.numel() // 2])] = True
    hidden = mask.reshape(case.brain.shape)
    return float((case.predict((case.volume * ~hidden)[None]) - case.prediction).abs())


def dividing(case: Case) -> float:
    """Infinite, or no number that Python can make, for a map of zeros."""
    return float(1 / case.importance.sum())


def swallowing(self: Any, case: Case) -> Any:
    try:
        return right(self, case)
    except Exception:
        return {"fall": 0.0, "fall_curve": [0.0, 0.0], "ratio": 1.0}


def not_applying(self: Any, case: Case) -> Any:
    try:
        inputs = case.volume[None].clone().requires_grad_(True)
        torch.autograd.grad(case.predictor.predict(inputs).sum(), inputs)
        return right(self, case)
    except Exception as error:
        raise NotApplicable("the network is strange") from error


def leaving_train_mode(self: Any, case: Case) -> Any:
    case.predictor.module.train()
    found = right(self, case)
    case.predictor.module.eval()
    return found


def all_at_once(self: Any, case: Case) -> Any:
    with torch.no_grad():
        case.predictor.predict(case.volume.expand(10, -1, -1, -1, -1))
    return right(self, case)


def draws_globally(case: Case) -> float:
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    drawn = float(torch.rand(()) + np.random.rand() + random.random())
    torch.set_rng_state(states[0]), np.random.set_state(states[1]), random.setstate(states[2])
    return drawn


def silent(self: Any, case: Case) -> Any:
    raise NotApplicable(" ")


@dataclass(frozen=True, kw_only=True)
class Doubling(Good):
    draws: int = option(1, "doubles each time it is set")

    def __post_init__(self) -> None:
        object.__setattr__(self, "draws", 2 * self.draws)


class NoMetric:
    measures = (FALL,)


OTHERS = "test_what_looks_at_other_people_says_so"
DECLARED = "test_its_measures_are_declared_as_they_must_be"
RETURNS = "test_it_returns_what_it_declares"
LITTLE = "test_a_map_that_says_little_is_measured_or_refused_in_words"
UNKNOWN = "test_what_nobody_knows_is_nan_or_refused_in_words"
TRUTH = "test_a_truth_that_is_empty_or_everywhere_is_nan_or_refused_in_words"
NEEDS = "test_what_needs_a_truth_says_so_and_nothing_else_does"
BEST = "test_the_perfect_map_scores_best"
CHANCE = "test_random_maps_get_the_declared_chance"
SCALE = "test_a_map_times_a_constant_is_measured_alike"
GLOBAL = "test_the_same_case_is_measured_alike_whatever_the_global_random_state"
BATCH = "test_the_batch_size_does_not_matter_and_is_kept"
NOTHING = "test_measuring_changes_nothing"
FAILURE = "test_a_failure_of_the_predictor_passes_through_and_changes_nothing"

BROKEN: list[tuple[str, dict[str, Any], Any, str]] = [
    ("test_is_a_metric", {}, NoMetric(), "NoMetric is not a subclass of interpbench.Metric"),
    (DECLARED, {}, declaring(), "at least one Measure"),
    (DECLARED, {}, declaring(FALL, FALL), "'fall' is used twice"),
    (DECLARED, {}, declaring(changed(FALL, name="Fall (%)")), "small letters, digits and _, got 'Fall"),
    (DECLARED, {}, declaring(changed(FALL, direction="down")), "must be 'higher', 'lower' or None, got 'down'"),
    (DECLARED, {}, declaring(changed(FALL, unit=None)), "the unit of measure 'fall'"),
    (DECLARED, {}, declaring(changed(FALL, help="")), "the help of measure 'fall' must be one line"),
    (DECLARED, {}, declaring(changed(CURVE, steps=(1.0, math.nan))), "must be finite numbers"),
    (DECLARED, {}, declaring(changed(CURVE, steps_name="")), "must name the quantity of its steps"),
    (DECLARED, {}, broken(right, repeats=None), "`repeats` must be True or False, got None"),
    ("test_what_explains_again_says_so", {}, does(lambda case: case.explain()), "explained 1 more times, for"),
    (OTHERS, {}, broken(right, compares_people=None), "`compares_people` must be True or False, got None"),
    (OTHERS, {}, plus(lambda case: float(case.everyone is None)), "without other people: set `compares_people = True`"),
    (RETURNS, {}, gives(list), "must return a mapping of measures to numbers, got list"),
    (RETURNS, {}, gives(lambda found: {"fall": found["fall"]}), "but 'fall_curve', 'ratio' is missing"),
    (RETURNS, {}, gives(lambda found: {**found, "more": 1.0}), "returned 'more', which it does not declare"),
    (RETURNS, {}, gives(lambda found: {**found, "ratio": None}), "one number for 'ratio', NaN if"),
    (RETURNS, {}, gives(lambda found: {**found, "ratio": [1.0]}), "one number for 'ratio', got 1 numbers"),
    (RETURNS, {}, gives(lambda found: {**found, "fall_curve": [1.0]}), "2 numbers for 'fall_curve', one a step, got 1"),
    (RETURNS, {}, gives(lambda found: {**found, "ratio": math.inf}), "returned infinity for 'ratio'"),
    (LITTLE, {"kind": "zero"}, plus(dividing), "returned infinity for 'fall'"),
    (LITTLE, {"kind": "nowhere in the brain"}, plus(dividing), "returned infinity for 'fall'"),
    (LITTLE, {"kind": "constant"}, broken(silent), "NotApplicable was raised without a message"),
    (UNKNOWN, {"missing": "truth"}, plus(lambda case: float(case.truth.sum())), "'NoneType' object has no"),
    (UNKNOWN, {"missing": "all of them"}, plus(lambda case: case.regions.max()), "'NoneType' object has no"),
    (TRUTH, {"full": False}, plus(lambda case: 1 / int(case.truth.sum())), "division by zero"),
    (TRUTH, {"full": True}, plus(lambda case: 1 / int((case.brain & ~case.truth).sum())), "division by zero"),
    (NEEDS, {}, only(changed(FALL, needs_truth=True), lambda case: fall(case, 5)), "but does without one"),
    (NEEDS, {}, only(changed(RATIO, needs_truth=False), ratio), "ratio is NaN without a truth: `needs_truth`"),
    (BEST, {}, only(changed(FALL, direction="lower"), lambda case: fall(case, 5)), "better when lower, but the"),
    (BEST, {}, only(FALL, lambda case: -fall(case, 5)), "better when higher, but the perfect map gets -"),
    (BEST, {}, only(FALL, lambda case: float(case.importance.mean())), "and the reversed one"),
    (BEST, {}, only(FALL, lambda case: 1.0), "the perfect map gets 1 and the reversed one 1"),
    (BEST, {}, only(FALL, lambda case: math.nan), "fall of the perfect map is NaN"),
    ("test_a_constant_map_scores_no_better_than_chance", {}, only(FALL, by_position), "are ties broken by position"),
    (CHANCE, {}, only(changed(RATIO, chance=0.0), lambda case: ratio(case) + 20), "but random maps get 2"),
    (SCALE, {"factor": 2.0**-20}, plus(lambda case: float(case.map.sum())), "when the map is multiplied by 9.5"),
    (SCALE, {"factor": 2.0**20}, plus(lambda case: float(case.map.max() > 1000)), "when the map is multiplied by 1.0"),
    ("test_the_sign_of_a_map_does_not_matter", {}, plus(lambda case: float(case.map.mean() > 0)), "sign is turned"),
    (GLOBAL, {}, plus(draws_globally), "draw from `case.generator`"),
    (
        "test_what_methods_share_does_not_depend_on_the_map",
        {},
        plus(lambda case: case.once("mean", lambda: float(case.importance.mean()))),
        "`case.once` is for what no map changes",
    ),
    (BATCH, {"batch_size": 3}, plus(lambda case: case.batch_size), "when 3 volumes go through the predictor at once"),
    (BATCH, {"batch_size": 3}, broken(all_at_once), "10 volumes went through the predictor at once; 3 may"),
    (NOTHING, {}, does(lambda case: case.map.mul_(2)), "values of 'map'"),
    (NOTHING, {}, does(lambda case: case.volume.mul_(2)), "values of 'volume'"),
    (NOTHING, {}, does(lambda case: case.truth.fill_(True)), "values of 'truth'"),
    (NOTHING, {}, does(lambda case: case.regions.zero_()), "values of 'regions'"),
    (NOTHING, {}, does(lambda case: case.mean_volume.zero_()), "values of 'mean_volume'"),
    (NOTHING, {}, does(lambda case: case.volume.requires_grad_(True)), "'volume' requires a gradient"),
    (NOTHING, {}, does(lambda case: case.predictor.module.train()), "training flag"),
    (NOTHING, {}, does(lambda case: case.predictor.module.requires_grad_(True)), "requires a gradient"),
    (NOTHING, {}, does(lambda case: case.predictor.module.register_forward_hook(print)), "hooks of module"),
    (NOTHING, {}, does(lambda case: torch.manual_seed(0)), "random state of torch"),
    (NOTHING, {}, does(lambda case: np.random.seed(0)), "random state of numpy"),
    (NOTHING, {}, does(lambda case: random.seed(0)), "random state of Python"),
    (FAILURE, {"call": 1, "stage": "forward"}, broken(swallowing), "hid it"),
    (FAILURE, {"call": 2, "stage": "forward"}, broken(swallowing), "hid it"),
    (FAILURE, {"call": 1, "stage": "backward"}, broken(not_applying), "hid it"),
    (
        FAILURE,
        {"call": 1, "stage": "forward"},
        broken(leaving_train_mode),
        "left this changed after an exception: training flag",
    ),
    ("test_options_survive_a_round_trip", {}, Doubling(draws=1), "changed on their way through JSON"),
]


@pytest.mark.parametrize(("check", "arguments", "metric", "words"), BROKEN)
@pytest.mark.usefixtures("everything_put_back")
def test_a_metric_that_breaks_a_promise_fails_the_check_of_it_in_words(
    check: str, arguments: dict[str, Any], metric: Any, words: str
) -> None:
    with pytest.raises((AssertionError, AttributeError, ZeroDivisionError)) as caught:
        getattr(MetricContract(), check)(metric, **arguments)
    assert words in str(caught.value)


def test_every_check_of_a_metric_has_a_broken_one_that_it_catches() -> None:
    checks = {name for name, _ in inspect.getmembers(MetricContract, callable) if name.startswith("test_")}
    assert checks == {check for check, *_ in BROKEN}
