"""U-noise and the population aggregator keep the contracts that third parties keep."""

from __future__ import annotations

import pytest

from interpbench.testing import AggregatorContract, ExplainerContract
from interpbench_unoise.explainer import UNoise
from interpbench_unoise.population import Population


@pytest.mark.slow
class TestUNoise(ExplainerContract):
    @pytest.fixture
    def explainer(self) -> UNoise:
        return UNoise(
            channels=4, blocks=2, pretrain_epochs=2, epochs=60, batch_size=4, learning_rate=1e-2, r=2.0, patience=0
        )


class TestPopulation(AggregatorContract):
    @pytest.fixture
    def aggregator(self) -> Population:
        return Population()
