"""The training's copy of a predictor: the same answers and gradients, and no weight that asks for one."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from interpbench import NetworkPredictor, Predictor, Recipe
from interpbench.testing import cube_predictor
from interpbench_networks.resnet18 import ResNet18
from interpbench_unoise.frozen import ExactLinear, frozen_copy
from interpbench_unoise.objective import response
from interpbench_unoise.stem import Stem

SHAPE = (20, 22, 18)


class Made(NetworkPredictor):
    """A predictor around any network."""

    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        raise NotImplementedError


def lived(module: nn.Module) -> nn.Module:
    """With statistics of batch norm as after a training."""
    torch.manual_seed(1)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm3d):
            part.running_mean.normal_(0, 0.3)
            part.running_var.uniform_(0.5, 2)
            if part.affine:
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, 0, 0.3)
    return module.eval()


def predictor_of(module: nn.Module, dtype: torch.dtype = torch.float32) -> NetworkPredictor:
    return Made().loaded(lived(module).to(dtype), Recipe(shape=SHAPE, voxel_size=4.0), scale=8.0, offset=58.0)


def resnet(first_stride: int = 1) -> nn.Module:
    torch.manual_seed(0)
    return ResNet18(width=4, first_stride=first_stride).build(SHAPE)


def plain_network(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(6, 1))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": resnet,
    "resnet18 with stride 2": lambda: resnet(2),
    "pooled before ReLU": lambda: plain_network(nn.Conv3d(1, 6, 3), nn.BatchNorm3d(6), nn.MaxPool3d(2), nn.ReLU()),
    "not pooled": lambda: plain_network(nn.Conv3d(1, 6, 3, bias=False), nn.ReLU(), nn.Conv3d(6, 6, 3)),
    "norms without weights": lambda: plain_network(
        nn.Conv3d(1, 6, 5, padding=2), nn.BatchNorm3d(6, affine=False), nn.ReLU(), nn.MaxPool3d(3, 2, 1)
    ),
    "instance norm": lambda: plain_network(nn.Conv3d(1, 6, 3), nn.InstanceNorm3d(6), nn.ELU(), nn.MaxPool3d(2)),
}


@pytest.fixture
def volumes() -> Tensor:
    return torch.randn(2, 1, *SHAPE, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", NETWORKS)
def test_answers_and_gradients_are_the_original_s(name: str, volumes: Tensor) -> None:
    predictor = predictor_of(NETWORKS[name](), torch.float64)
    quick = frozen_copy(predictor, volumes.double())
    assert quick is not predictor
    exact = [torch.as_tensor(one) for one in _answers(predictor, volumes.double())]
    for first, second in zip(exact, _answers(quick, volumes.double()), strict=True):
        torch.testing.assert_close(second, first, rtol=1e-9, atol=1e-10)


def _answers(predictor: Predictor, volumes: Tensor) -> tuple[Tensor, Tensor]:
    volumes = volumes.clone().requires_grad_(True)
    predictions = predictor.predict(volumes)
    return predictions.detach(), torch.autograd.grad(predictions.sum(), volumes)[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_in_float32_gradients_agree_to_a_hundred_thousandth_of_their_range(name: str, volumes: Tensor) -> None:
    predictor = predictor_of(NETWORKS[name]())
    (first, by_first), (second, by_second) = (
        response(one, volumes) for one in (predictor, frozen_copy(predictor, volumes))
    )
    torch.testing.assert_close(second, first, rtol=1e-5, atol=1e-5)
    assert float((by_first - by_second).abs().max() / by_first.abs().max()) < 1e-5


def test_a_resnet_has_no_batch_norm_left_and_begins_with_a_stem(volumes: Tensor) -> None:
    parts = list(frozen_copy(predictor_of(resnet()), volumes).module.modules())
    assert sum(isinstance(part, Stem) for part in parts) == 1
    assert sum(isinstance(part, ExactLinear) for part in parts) == 1
    graph = frozen_copy(predictor_of(resnet()), volumes).module.graph
    assert not any("bn" in str(node.target) or "norm" in str(node.target) for node in graph.nodes)


class Backwards(TorchDispatchMode):
    """Remembers which gradients each convolution's backward pass was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: list[tuple[bool, ...]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.convolution_backward.default:
            self.masks.append(tuple(args[-1]))
        return func(*args, **(kwargs or {}))


def test_no_gradient_of_a_weight_is_ever_formed(volumes: Tensor) -> None:
    predictor = predictor_of(resnet())
    quick = frozen_copy(predictor, volumes)
    with Backwards() as backwards:
        response(quick, volumes)
    assert len(backwards.masks) == 19  # every convolution but the stem's own, which has its own backward pass
    assert all(mask == (True, False, False) for mask in backwards.masks)
    for one in (predictor, quick):
        assert all(weights.grad is None and not weights.requires_grad for weights in one.module.parameters())


def test_the_original_is_as_before(volumes: Tensor) -> None:
    predictor = predictor_of(resnet())
    before, parts = predictor.fingerprint, [type(part) for part in predictor.module.modules()]
    frozen_copy(predictor, volumes, "bfloat16")
    assert predictor.fingerprint == before
    assert [type(part) for part in predictor.module.modules()] == parts
    assert not any(part.training for part in predictor.module.modules())


def test_in_bfloat16_answers_are_near_and_keep_their_digits(volumes: Tensor) -> None:
    predictor = predictor_of(resnet())
    exact, _ = response(predictor, volumes)
    rough, _ = response(frozen_copy(predictor, volumes, "bfloat16"), volumes, "bfloat16")
    torch.testing.assert_close(rough, exact, rtol=1e-2, atol=0.05)
    assert not torch.equal(rough, rough.bfloat16().float())  # not rounded to steps of a quarter of a year


class Choosing(nn.Module):
    """What it does depends on what it is given, which no trace can hold."""

    def forward(self, volumes: Tensor) -> Tensor:
        return volumes.flatten(1).sum(1) if float(volumes.detach().sum()) > 0 else volumes.flatten(1).mean(1)


class OtherForTracers(nn.Module):
    """A trace of it holds another function than it is."""

    def forward(self, volumes: Tensor) -> Tensor:
        return volumes.flatten(1).sum(1) * (2.0 if torch.compiler.is_exporting() else 1.0)


@pytest.mark.parametrize("module", [Choosing(), OtherForTracers()], ids=lambda module: type(module).__name__)
def test_what_cannot_be_traced_or_answers_otherwise_stays_as_it_is(
    module: nn.Module, volumes: Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    predictor = predictor_of(copy.deepcopy(module))
    with caplog.at_level(logging.DEBUG, "interpbench"):
        assert frozen_copy(predictor, volumes) is predictor
    assert "is not accelerated" in caplog.text


def test_a_predictor_of_another_kind_stays_as_it_is(volumes: Tensor) -> None:
    predictor = cube_predictor(SHAPE)
    assert frozen_copy(predictor, volumes) is predictor


def test_a_network_for_one_size_is_checked_at_that_size() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv3d(1, 2, 3, stride=4), nn.Linear(2 * 14 * 3 * 3, 1)

        def forward(self, volumes: Tensor) -> Tensor:
            return self.last(self.conv(volumes).relu().flatten(1))

    predictor = predictor_of(Fixed())
    volumes = torch.randn(1, 1, 56, 12, 13)  # longer than the part that it is checked on
    quick = frozen_copy(predictor, volumes)
    assert quick is not predictor
    torch.testing.assert_close(response(quick, volumes)[1], response(predictor, volumes)[1], rtol=1e-5, atol=1e-6)
