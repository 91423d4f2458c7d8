"""Shuffled networks: the values stay, their places go, from the output back, and the network itself is untouched."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from interpbench import NotApplicable, Predictor, Recipe
from interpbench.predictor.layout import settle
from interpbench.testing import ToyPredictor, cube_predictor, linear_predictor
from interpbench.testing.snapshot import Snapshot
from interpbench_measures.shuffling import LEVELS, layers_of, randomised
from interpbench_networks.resnet18 import ResNet18

SHAPE = (6, 7, 8)


class Crooked(nn.Module):
    """Three layers, not called in the order of their names, and a vector that the network itself uses."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.arange(4.0))
        self.last = nn.Linear(4, 1)
        self.second = nn.Conv3d(5, 4, 2)
        self.norm = nn.BatchNorm3d(5)
        self.first = nn.Conv3d(1, 5, 3)

    def forward(self, volumes: Tensor) -> Tensor:
        features = self.second(torch.relu(self.norm(self.first(volumes))))
        return self.last(features.mean(dim=(2, 3, 4)) + self.shift)


def crooked() -> ToyPredictor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Crooked()
        with torch.no_grad():
            for tensor in (network.norm.weight, network.norm.running_mean, network.norm.running_var):
                tensor.copy_(torch.rand(5) + 0.5)
    return ToyPredictor(network, SHAPE)


def tensors(predictor: Predictor) -> dict[str, Tensor]:
    return dict(predictor.module.state_dict())


def changed(one: Predictor, other: Predictor) -> set[str]:
    """The modules of whose tensors any differs."""
    return {
        name.removeprefix("network.").rpartition(".")[0]
        for name, tensor in tensors(one).items()
        if not torch.equal(tensor, tensors(other)[name])
    }


def test_layers_stand_in_the_order_of_their_calls_with_their_norms() -> None:
    names = [[name.removeprefix("network.") for name, _ in layer] for layer in layers_of(crooked())]
    # The network itself holds a vector; it is called first.
    assert names == [["network"], ["first", "norm"], ["second"], ["last"]]


def test_levels_go_from_the_output_back() -> None:
    predictor = crooked()
    touched = [changed(predictor, randomised(predictor, level, 0)) for level in LEVELS]
    assert touched == [{"last"}, {"last", "second"}, {"last", "second", "first", "norm", ""}]


def test_levels_agree_where_they_overlap() -> None:
    predictor = crooked()
    last, half, all = (tensors(randomised(predictor, level, 0)) for level in LEVELS)
    name = "network.last.weight"
    assert torch.equal(last[name], half[name]) and torch.equal(half[name], all[name])
    assert torch.equal(half["network.second.weight"], all["network.second.weight"])


@pytest.mark.parametrize("level", LEVELS)
def test_every_tensor_keeps_its_values(level: str) -> None:
    predictor = crooked()
    before, after = tensors(predictor), tensors(randomised(predictor, level, 0))
    assert before.keys() == after.keys()
    for name in before:
        assert torch.equal(before[name].flatten().sort().values, after[name].flatten().sort().values), name


def test_what_a_norm_has_for_a_channel_moves_together() -> None:
    predictor = crooked()
    before, after = tensors(predictor), tensors(randomised(predictor, "all", 1))
    names = [f"network.norm.{name}" for name in ("weight", "bias", "running_mean", "running_var")]
    rows = [torch.stack([one[name] for name in names], dim=1).tolist() for one in (before, after)]  # (channels, 4)
    assert sorted(rows[0]) == sorted(rows[1])
    assert not torch.equal(before[names[0]], after[names[0]])


def test_one_seed_gives_one_network_and_another_another() -> None:
    predictor = crooked()
    first, second, third = (randomised(predictor, "all", seed).fingerprint for seed in (0, 0, 1))
    assert first == second
    assert third not in (first, predictor.fingerprint)


@pytest.mark.parametrize("level", LEVELS)
def test_the_predictor_itself_stays_as_it_is(level: str) -> None:
    predictor = crooked()
    before = Snapshot(predictor)
    other = randomised(predictor, level, 0)
    assert not before.changes()
    assert not {id(tensor) for tensor in other.module.parameters()} & {
        id(tensor) for tensor in predictor.module.parameters()
    }


def test_the_shuffled_network_is_frozen_too_and_has_no_hooks_left() -> None:
    module = randomised(crooked(), "all", 0).module
    assert not module.training
    assert not any(weights.requires_grad for weights in module.parameters())
    assert not any(part._forward_pre_hooks or part._forward_hooks for part in module.modules())


def test_shared_weights_are_shuffled_once() -> None:
    shared = nn.Linear(8, 8, bias=False)
    again = nn.Linear(8, 8, bias=False)
    again.weight = shared.weight
    network = nn.Sequential(OrderedDict(first=shared, second=again, pool=nn.Flatten(), last=nn.Linear(6 * 7 * 8, 1)))
    other = randomised(ToyPredictor(network, SHAPE), "half", 0).module.get_submodule("network")
    assert other.first.weight is other.second.weight
    assert torch.equal(other.first.weight.flatten().sort().values, shared.weight.flatten().sort().values)


def test_a_resnet_is_shuffled_in_its_layout() -> None:
    shape = (10, 12, 8)
    blank = ResNet18(width=4, first_stride=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = settle(blank.build(shape), torch.device("cpu"))
    predictor = blank.loaded(module, Recipe(shape=shape, voxel_size=4.0), scale=7.0, offset=60.0)
    other = randomised(predictor, "all", 0)
    volume = torch.randn((1, 1, *shape), generator=torch.Generator().manual_seed(0))
    assert other.predict(volume) != predictor.predict(volume)
    assert torch.isfinite(other.predict(volume)).all()
    for one, two in zip(predictor.module.parameters(), other.module.parameters(), strict=True):
        assert one.stride() == two.stride()
    names = [[name for name, _ in layer] for layer in layers_of(predictor)]
    assert len(names) == 21  # 17 convolutions and 3 in shortcuts, one linear
    assert names[0] == ["conv1", "bn1"]
    assert names[-1] == ["fc"]


@pytest.mark.parametrize("predictor", [cube_predictor(SHAPE), linear_predictor(torch.rand(SHAPE))])
def test_toys_can_be_shuffled(predictor: ToyPredictor) -> None:
    assert randomised(predictor, "last", 0).fingerprint != predictor.fingerprint


class Fixed(Predictor):
    """No network to speak of."""

    recipe = Recipe(shape=SHAPE, voxel_size=4.0)
    held: object = None

    def predict(self, volumes: Tensor) -> Tensor:
        return volumes.mean(dim=(1, 2, 3, 4))

    @property
    def module(self) -> nn.Module:
        return nn.Identity()


def test_a_predictor_without_weights_has_none_to_shuffle() -> None:
    with pytest.raises(NotApplicable, match="no weights that could be shuffled"):
        randomised(Fixed(), "all", 0)


def test_a_predictor_that_cannot_be_copied_is_not_applicable() -> None:
    predictor = Fixed()
    predictor.held = (number for number in range(3))
    with pytest.raises(NotApplicable, match="cannot be copied"):
        randomised(predictor, "all", 0)
