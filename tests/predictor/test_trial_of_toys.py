"""The kit's toy networks pass the trial; its constant one is found."""

from __future__ import annotations

import torch

from interpbench import Recipe
from interpbench.predictor.made_up import made_up_volumes
from interpbench.predictor.trial import try_network
from interpbench.testing import constant_predictor, cube_predictor, linear_predictor

SHAPE = (10, 12, 9)
RECIPE = Recipe(shape=SHAPE, voxel_size=4.0)
VOLUMES = made_up_volumes(RECIPE)


def test_the_kits_toys_pass_and_its_constant_is_one() -> None:
    weights = torch.linspace(-1, 2, VOLUMES[0].numel()).reshape(SHAPE)
    for toy in (cube_predictor(SHAPE), cube_predictor(SHAPE, nonlinear=True), linear_predictor(weights)):
        assert try_network(toy, VOLUMES).findings == ()
    (found,) = try_network(constant_predictor(SHAPE), VOLUMES).findings
    assert (found.kind, found.certain) == ("constant", True)
    (found,) = try_network(linear_predictor(torch.ones(SHAPE)), VOLUMES).findings  # all volumes have one mean
    assert (found.kind, found.certain) == ("constant", False)
