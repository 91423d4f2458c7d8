"""Every built-in metric keeps the promises that a third party's is asked to keep."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor

from interpbench import Case, Metric
from interpbench.host.ask_metric import declared
from interpbench.metrics.completeness import Completeness
from interpbench.metrics.complexity import Complexity
from interpbench.metrics.cost import Cost
from interpbench.metrics.deletion import Deletion
from interpbench.metrics.infidelity import Infidelity
from interpbench.metrics.localisation import Localisation
from interpbench.metrics.noise_tolerance import NoiseTolerance
from interpbench.metrics.plugin import interpbench_metrics
from interpbench.metrics.randomisation import Randomisation
from interpbench.metrics.region_deletion import RegionDeletion
from interpbench.metrics.repeatability import Repeatability
from interpbench.metrics.sensitivity import Sensitivity
from interpbench.testing import MetricContract


class TestLocalisation(MetricContract):
    @pytest.fixture
    def metric(self) -> Metric:
        return Localisation()


class TestDeletion(MetricContract):
    @pytest.fixture
    def metric(self) -> Metric:
        return Deletion()


class TestRegionDeletion(MetricContract):
    @pytest.fixture
    def metric(self) -> Metric:
        return RegionDeletion()


class TestNoiseTolerance(MetricContract):
    @pytest.fixture
    def metric(self) -> Metric:
        return NoiseTolerance()


class TestInfidelityByBoxes(MetricContract):
    perfect = "contribution"

    @pytest.fixture
    def metric(self) -> Metric:
        return Infidelity()

    def case(self, map: Tensor, *args: Any, **fields: Any) -> Case:
        return super().case(map, *args, **{**fields, "signed": True})  # without signs it has nothing to foretell


class TestInfidelityByNoise(TestInfidelityByBoxes):
    perfect = "slope"

    @pytest.fixture
    def metric(self) -> Metric:
        return Infidelity(perturbation="noise")


class TestSensitivity(MetricContract):
    judges_by_truth = False

    @pytest.fixture
    def metric(self) -> Metric:
        return Sensitivity()


class TestRepeatability(MetricContract):
    judges_by_truth = False

    @pytest.fixture
    def metric(self) -> Metric:
        return Repeatability()


class TestRandomisation(MetricContract):
    judges_by_truth = False

    @pytest.fixture
    def metric(self) -> Metric:
        return Randomisation()


class TestComplexity(MetricContract):
    @pytest.fixture
    def metric(self) -> Metric:
        return Complexity()


class TestCompleteness(MetricContract):
    perfect = "contribution"
    scale_free = False
    judges_sign = True

    @pytest.fixture
    def metric(self) -> Metric:
        return Completeness()


class TestCost(MetricContract):
    judges_by_truth = False
    varying = ("seconds", "peak_memory")

    @pytest.fixture
    def metric(self) -> Metric:
        return Cost()


CLASSES = (
    Localisation,
    Deletion,
    RegionDeletion,
    NoiseTolerance,
    Infidelity,
    Sensitivity,
    Repeatability,
    Randomisation,
    Complexity,
    Completeness,
    Cost,
)


def test_every_built_in_metric_is_checked_here() -> None:
    targets = {component.target for component in interpbench_metrics()}
    assert targets == {f"{one.__module__}:{one.__name__}" for one in CLASSES}


def test_no_two_built_in_metrics_declare_one_measure() -> None:
    measures = declared([(one.__name__, one()) for one in CLASSES])
    assert len({measure.name for _, measure in measures}) == len(measures)
