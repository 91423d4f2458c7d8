"""Grad-CAM: its formula by hand, the layer it looks at, and what it refuses."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from interpbench import Explainer, NotApplicable, Recipe, UsageError
from interpbench.testing import ToyPredictor, toy_brains
from interpbench_captum.guided import GuidedBackprop
from interpbench_captum.layer import GradCam, GuidedGradCam
from interpbench_captum.stages import feature_maps, last_stage
from interpbench_networks.resnet18 import ResNet18

SHAPE = (12, 14, 10)


class Average(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features.mean(dim=(2, 3, 4))


def small_network(stride: int = 2) -> nn.Sequential:
    """Convolution, rectifier, average, weighted sum."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        stage = nn.Sequential(OrderedDict(conv=nn.Conv3d(1, 4, stride, stride=stride), act=nn.ReLU(inplace=True)))
        return nn.Sequential(OrderedDict(stage=stage, average=Average(), readout=nn.Linear(4, 1)))


def layer_of(network: nn.Module, shape: tuple[int, int, int]) -> str | None:
    predictor = ToyPredictor(network, shape)
    found = last_stage(predictor.module, feature_maps(predictor, toy_brains(1, shape)))
    return None if found is None else found.removeprefix("network.")


@pytest.mark.parametrize("relu", [False, True])
def test_the_map_is_the_features_weighted_by_their_mean_gradients(relu: bool) -> None:
    """f = b + sum_k w_k mean(A_k), so df/dA_k = w_k / N in every voxel."""
    network, volumes = small_network(stride=1), toy_brains(2, SHAPE)
    features = network.stage(volumes)
    weights = network.readout.weight[0] / features[0, 0].numel()
    expected = torch.einsum("k,bkxyz->bxyz", weights, features).detach()
    maps = GradCam(relu=relu).explain(ToyPredictor(network, SHAPE), volumes)
    assert float(expected.min()) < 0 < float(expected.max())
    torch.testing.assert_close(maps, expected.clamp(min=0) if relu else expected)


def test_of_averaged_features_the_map_adds_up_to_the_prediction_without_its_bias() -> None:
    network, volumes = small_network(stride=1), toy_brains(3, SHAPE)
    predictor = ToyPredictor(network, SHAPE)
    with torch.no_grad():
        expected = predictor.predict(volumes) - network.readout.bias
    torch.testing.assert_close(GradCam().explain(predictor, volumes).flatten(1).sum(dim=1), expected)


def test_a_coarse_map_is_laid_over_the_volume_the_right_way_round() -> None:
    """One bright place, off the centre on three unequal axes: the map is highest there."""
    network = small_network(stride=2)
    network.stage.conv.weight.data.fill_(1.0)
    network.stage.conv.bias.data.zero_()
    network.readout.weight.data.fill_(1.0)
    volumes = torch.zeros(1, 1, *SHAPE)
    volumes[0, 0, 2:4, 10:12, 4:6] = 1
    map = GradCam().explain(ToyPredictor(network, SHAPE), volumes)[0]
    assert map.shape == SHAPE
    places = torch.nonzero(map == map.max())
    torch.testing.assert_close(places.double().mean(dim=0), torch.tensor([2.5, 10.5, 4.5]).double())


def test_guided_gradcam_is_guided_backpropagation_times_the_rectified_map() -> None:
    predictor, volumes = ToyPredictor(small_network(), SHAPE), toy_brains(2, SHAPE)
    product = GuidedBackprop().explain(predictor, volumes) * GradCam(relu=True).explain(predictor, volumes)
    found = GuidedGradCam().explain(predictor, volumes)
    assert bool(found.any())
    torch.testing.assert_close(found, product)


@pytest.mark.parametrize(
    ("shape", "layer"), [((24, 28, 20), "layer4"), ((12, 14, 10), "layer3"), ((6, 7, 8), "layer2")]
)
def test_of_a_resnet_the_last_stage_with_some_resolution_is_taken(shape: tuple[int, int, int], layer: str) -> None:
    blank = ResNet18(width=2)
    predictor = blank.loaded(blank.build(shape), Recipe(shape=shape, voxel_size=4.0))
    assert last_stage(predictor.module, feature_maps(predictor, torch.zeros(1, 1, *shape))) == layer
    named = GradCam(layer=layer).explain(predictor, toy_brains(1, shape))
    torch.testing.assert_close(GradCam().explain(predictor, toy_brains(1, shape)), named, rtol=0, atol=0)


def test_of_a_plain_stack_the_rectifier_before_the_last_pooling_is_taken() -> None:
    network = nn.Sequential(
        nn.Conv3d(1, 2, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool3d(2),
        nn.Conv3d(2, 2, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool3d(2),
        nn.Flatten(),
        nn.Linear(2 * 3 * 3 * 2, 1),
    )
    assert layer_of(network, SHAPE) == "4"


def test_a_convolution_that_reads_out_one_voxel_is_not_taken() -> None:
    """SFCN ends so: convolutions, an average, and a 1x1x1 convolution to the bins."""
    network = nn.Sequential(
        OrderedDict(
            features=nn.Sequential(nn.Conv3d(1, 2, 3, stride=2), nn.BatchNorm3d(2), nn.ReLU()),
            classifier=nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Conv3d(2, 1, 1)),
        )
    )
    assert layer_of(network, SHAPE) == "features"


def test_a_network_without_feature_maps_is_refused_in_one_line() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12 * 14 * 10, 4), nn.ReLU(), nn.Linear(4, 1))
    for explainer, name in ((GradCam(), "gradcam"), (GuidedGradCam(), "guidedgradcam")):
        with pytest.raises(NotApplicable, match=rf"^{name} does not apply to this architecture: no 3D convolution"):
            explainer.explain(ToyPredictor(network, SHAPE), toy_brains(1, SHAPE))


@pytest.mark.parametrize("explainer", [GradCam(layer="network.stag"), GuidedGradCam(layer="network.stag")])
def test_an_unknown_layer_is_refused_with_the_nearest_one(explainer: Explainer) -> None:
    predictor = ToyPredictor(small_network(), SHAPE)
    with pytest.raises(
        UsageError, match=r"got 'network\.stag'\. Did you mean 'network\.stage'\? Layers with such features"
    ):
        explainer.explain(predictor, toy_brains(1, SHAPE))


@pytest.mark.parametrize("layer", ["fc", "layer4.0.nothing"])
def test_a_layer_without_feature_maps_is_refused_and_the_stages_are_told(layer: str) -> None:
    blank = ResNet18(width=2)
    predictor = blank.loaded(blank.build(SHAPE), Recipe(shape=SHAPE, voxel_size=4.0))
    with pytest.raises(
        UsageError, match=r"Layers with such features: conv1, bn1, act, maxpool, layer1, .*, and the layers inside them"
    ):
        GradCam(layer=layer).explain(predictor, toy_brains(1, SHAPE))


def test_looking_for_layers_leaves_no_hooks_also_where_the_predictor_fails() -> None:
    network = small_network()
    network.readout = nn.Linear(5, 1)  # does not fit
    predictor = ToyPredictor(network, SHAPE)
    with pytest.raises(RuntimeError):
        GradCam().explain(predictor, toy_brains(1, SHAPE))
    assert not any(part._forward_hooks for part in predictor.module.modules())
