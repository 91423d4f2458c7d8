"""A method that changes what it is given has no map."""

from __future__ import annotations

from pathlib import Path

import torch

from interpbench import Explainer, load_predictor
from interpbench.errors import PluginError
from interpbench.host.ask_explainer import maps_of


class Greedy(Explainer):
    """Works in the memory of what it was given."""

    def explain(self, predictor, volumes):
        return volumes.abs_()[:, 0].clone()


def test_a_method_that_changes_its_input_has_no_map(toy_model: Path) -> None:
    predictor = load_predictor(toy_model)
    volumes = torch.randn(1, 1, *predictor.recipe.shape)
    before = volumes.clone()
    (found,) = maps_of(Greedy(), predictor, volumes, ["a"], "greedy", 0)
    assert isinstance(found, PluginError) and "changed the network or its input" in str(found)
    assert torch.equal(volumes, before)
