"""The ResNet-18 of interpbench_networks against MONAI's own, and its options."""

from __future__ import annotations

import pytest
import torch
from monai.networks.nets.resnet import resnet18

from interpbench import Predictor, Recipe
from interpbench.errors import UsageError
from interpbench.testing import PredictorContract
from interpbench_networks.resnet18 import ResNet18


def test_at_full_width_it_is_monais_resnet18() -> None:
    torch.manual_seed(0)
    ours = ResNet18().build((16, 17, 18))
    torch.manual_seed(0)
    theirs = resnet18(spatial_dims=3, n_input_channels=1, num_classes=1)
    volumes = torch.randn(2, 1, 16, 17, 18)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(volumes), theirs.eval()(volumes), rtol=0, atol=0)


def test_a_narrow_one_has_the_parameters_of_the_prototype() -> None:
    count = sum(parameter.numel() for parameter in ResNet18(width=16).build((6, 7, 8)).parameters())
    assert count == pytest.approx(2.1e6, rel=0.02)


def test_first_stride_halves_the_first_feature_map() -> None:
    first = ResNet18(width=2, first_stride=2).build((12, 14, 10)).conv1
    assert first(torch.zeros(1, 1, 12, 14, 10)).shape == (1, 2, 6, 7, 5)


def test_it_takes_volumes_of_unequal_and_odd_edges() -> None:
    network = ResNet18(width=2).build((6, 7, 8)).eval()
    assert network(torch.randn(3, 1, 6, 7, 8)).shape == (3, 1)


def test_a_width_of_zero_is_refused() -> None:
    with pytest.raises(UsageError, match=r"width of ResNet18 must be at least 1, got 0"):
        ResNet18(width=0)


class TestAsPredictor(PredictorContract):
    @pytest.fixture
    def predictor(self) -> Predictor:
        torch.manual_seed(0)
        blank = ResNet18(width=2)
        recipe = Recipe(shape=(12, 14, 10), voxel_size=4.0)
        return blank.loaded(blank.build(recipe.shape), recipe, scale=7.0, offset=60.0)
