"""Occlusion keeps the contract that third parties keep, by boxes enough that the network is frozen."""

from __future__ import annotations

import pytest

from interpbench.testing import ExplainerContract
from interpbench_occlusion.explainer import Occlusion


class TestZero(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Occlusion:
        return Occlusion(box=3, stride=2)


class TestBoxMean(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Occlusion:
        return Occlusion(box=3, stride=2, replacement="box_mean")


class TestBlur(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> Occlusion:
        return Occlusion(box=(3, 4, 3), stride=2, replacement="blur", sigma=2.0)


class TestFewBoxesInterpolated(ExplainerContract):
    localisation_auc = 0.8  # boxes of 4 voxels, with nothing between them, for a cube of 3

    @pytest.fixture
    def explainer(self) -> Occlusion:
        return Occlusion(box=4, stride=4, combine="interpolate")


class TestWhereReadingIsTried(ExplainerContract):
    """The toys cannot be read: what is left behind by the attempt is looked for here."""

    @pytest.fixture(autouse=True)
    def worth_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("interpbench_occlusion.evaluation.WORTH_TRACING", 0)

    @pytest.fixture
    def explainer(self) -> Occlusion:
        return Occlusion(box=3, stride=2)
