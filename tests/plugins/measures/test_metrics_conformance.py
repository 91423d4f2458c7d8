"""Every built-in metric keeps the promises that a third party's is asked to keep."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor

from interpbench import Case, Metric
from interpbench.host.ask_metric import declared
from interpbench.testing import MetricContract
from interpbench_measures.completeness import Completeness
from interpbench_measures.complexity import Complexity
from interpbench_measures.cost import Cost
from interpbench_measures.deletion import Deletion
from interpbench_measures.infidelity import Infidelity
from interpbench_measures.localisation import Localisation
from interpbench_measures.noise_tolerance import NoiseTolerance
from interpbench_measures.person import Person
from interpbench_measures.plugin import interpbench_metrics
from interpbench_measures.randomisation import Randomisation
from interpbench_measures.region_deletion import RegionDeletion
from interpbench_measures.repeatability import Repeatability
from interpbench_measures.sensitivity import Sensitivity


class TestLocalisation(MetricContract):
    @pytest.fixture
    def metric(self) -> Metric:
        return Localisation()


class TestPerson(MetricContract):
    @pytest.fixture
    def metric(self) -> Metric:
        return Person()


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
    Person,
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
