"""The metrics' suite passes what is right: signed maps with a scale, and measures that explain again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from interpbench import Case, Measure, Metric
from interpbench.errors import NotApplicable
from interpbench.testing import MetricContract

GAP = Measure(name="gap", unit="{unit}", direction="lower", help="what the map's sum lacks")


@dataclass(frozen=True, kw_only=True)
class Gap(Metric):
    @property
    def measures(self) -> tuple[Measure, ...]:
        return (GAP,)

    def measure(self, case: Case) -> Mapping[str, float]:
        if case.reference is None:
            raise NotApplicable("the map does not claim to add up")
        there = float(case.predict(case.reference[None])[0])
        return {"gap": abs(float(case.map.double().sum()) - (case.prediction - there))}


class TestGapWhoseBestMapIsSignedAndHasAScale(MetricContract):
    perfect = "contribution"
    scale_free = False
    judges_sign = True

    @pytest.fixture
    def metric(self) -> Metric:
        return Gap()


AGAIN = Measure(name="again", unit="", direction="lower", help="change of the map with another seed, over its size")
SECONDS = Measure(name="seconds", unit="s", direction="lower", help="never twice the same")


@dataclass(frozen=True, kw_only=True)
class Again(Metric):
    repeats = True

    @property
    def measures(self) -> tuple[Measure, ...]:
        return (AGAIN, SECONDS)

    def measure(self, case: Case) -> Mapping[str, float]:
        size = float(case.map.norm())
        maps = [
            case.explain(seed=case.run_seed + 1),
            case.explain(volume=case.volume + 0.1),
            case.explain(predictor=case.predictor),
        ]
        moved = max(float((map - case.map).norm()) for map in maps)
        return {"again": moved / size if size else math.nan, "seconds": next(_ticks)}


_ticks = iter(range(1, 1_000_000))


class TestAgainWhichKnowsNoTruth(MetricContract):
    judges_by_truth = False
    varying = ("seconds",)

    @pytest.fixture
    def metric(self) -> Metric:
        return Again()
