"""Random small networks, for fast engines that must say what plain passes say."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from interpbench import Predictor, Recipe
from interpbench.predictor.layout import settle
from interpbench.testing import toy_brains
from interpbench_networks.torch_module import TorchModule

MOST = 8_000  # numbers in a volume of features

ACTIVATIONS: tuple[Callable[[], nn.Module], ...] = (
    nn.ReLU,
    nn.ReLU,
    lambda: nn.ReLU(inplace=True),
    lambda: nn.LeakyReLU(0.1),
    nn.ELU,
    nn.GELU,
    nn.SiLU,
    nn.Tanh,
    nn.Softplus,
    nn.Hardswish,
    nn.Mish,
    nn.ReLU6,
    nn.Softsign,
    lambda: nn.Softshrink(0.1),
    lambda: nn.Dropout3d(0.3),
)


class Around(nn.Module):
    """What goes into a body and what comes out of it, added, joined, or one as a gate of the other."""

    def __init__(self, body: nn.Module, how: str) -> None:
        super().__init__()
        self.body, self.how = body, how

    def forward(self, features: Tensor) -> Tensor:
        found = self.body(features)
        if self.how == "added":
            return features + found
        if self.how == "added in place":
            found = found.clone()
            found += features
            return found
        return torch.cat([features, found], dim=1) if self.how == "joined" else features * found.sigmoid()


class Mean(nn.Module):
    """Each channel's mean, as a volume of one voxel."""

    def forward(self, features: Tensor) -> Tensor:
        return features.mean((2, 3, 4), keepdim=True)


class RandomNetwork(nn.Module):
    """Layers drawn one after the other for volumes `(B, 1, *shape)`, and a readout of `outputs` numbers."""

    def __init__(self, seed: int, shape: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        self.random, self.channels, self.edges = random.Random(seed), 1, list(shape)
        layers: list[nn.Module] = [self._pool()] if self._one_in(10) else []
        layers += self._convolution()
        for _ in range(self.random.randint(0, 5)):
            kinds = (self._convolution, self._convolution, self._around, self._around, self._enlarged)
            layers += self.random.choice((*kinds, lambda: [self._pool()], lambda: [self._norm()]))()
        self.body = nn.Sequential(*layers)
        whole = self.channels * math.prod(self.edges)
        pooled = self.random.choice((nn.AdaptiveAvgPool3d(1), nn.AdaptiveMaxPool3d(1)))
        heads = (
            [nn.Flatten(), nn.Linear(whole, outputs)],
            [nn.Flatten(), nn.Linear(whole, 6), nn.ReLU(), nn.Linear(6, outputs)],
            [pooled, nn.Flatten(), nn.Linear(self.channels, outputs)],
            [nn.Conv3d(self.channels, outputs, 1), Mean(), nn.Flatten()],
        )
        self.head = nn.Sequential(*self.random.choice(heads))
        for part in self.modules():
            if isinstance(part, nn.Conv3d):
                part.weight.data *= 3**0.5  # else a deep network's effects vanish in its rounding
            if isinstance(part, nn.BatchNorm3d | nn.InstanceNorm3d) and part.running_mean is not None:
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]

    def forward(self, volumes: Tensor) -> Tensor:
        found: Tensor = self.head(self.body(volumes))
        return found

    def _one_in(self, number: int) -> bool:
        return self.random.randrange(number) == 0

    def _three(self, *choices: int) -> tuple[int, int, int]:
        """Mostly one for all axes."""
        if self.random.random() < 0.5:
            return (self.random.choice(choices),) * 3
        return self.random.choice(choices), self.random.choice(choices), self.random.choice(choices)

    def _fits(self, layer: nn.Module) -> bool:
        """Take over the layer's channels and edges, where it can be and is not too large."""
        try:
            made = layer.eval()(torch.zeros(1, self.channels, *self.edges))
        except RuntimeError:
            return False
        if not 1 <= made.numel() <= MOST:
            return False
        self.channels, self.edges = made.shape[1], list(made.shape[2:])
        return True

    def _convolution(self) -> list[nn.Module]:
        while True:
            kernel, dilation = self._three(1, 2, 3, 3, 4, 5), self._three(1, 1, 1, 2, 3)
            reach = [step * (edge - 1) for step, edge in zip(dilation, kernel, strict=True)]
            padding = tuple(self.random.choice((0, one // 2, one // 2, one)) for one in reach)
            groups = math.gcd(self.channels, self.random.choice((1, 1, 1, 2, 4)))
            layer = nn.Conv3d(
                self.channels,
                groups * self.random.choice((1, 1, 2, 3, 4)),
                kernel,
                self._three(1, 1, 1, 2, 3),
                self._three(0, 1, 2) if self._one_in(20) else padding,
                dilation,
                groups,
                self.random.random() < 0.7,
                self.random.choice(("zeros",) * 8 + ("replicate", "reflect", "circular")),
            )
            if self._fits(layer):
                break
        layers: list[nn.Module] = [layer]
        layers += [self._norm()] if self._one_in(2) else []
        layers += [self.random.choice(ACTIVATIONS)()] if self.random.random() < 0.7 else []
        return layers + ([nn.PReLU(self.random.choice((1, self.channels)))] if self._one_in(10) else [])

    def _norm(self) -> nn.Module:
        kind = self.random.choice("bbbig")
        if kind == "b" or math.prod(self.edges) == 1:
            return nn.BatchNorm3d(self.channels, affine=self.random.random() < 0.8)
        if kind == "i":
            return nn.InstanceNorm3d(self.channels, affine=True, track_running_stats=self._one_in(2))
        groups = [number for number in range(1, self.channels + 1) if self.channels % number == 0]
        return nn.GroupNorm(self.random.choice(groups), self.channels)

    def _pool(self) -> nn.Module:
        while True:
            kernel, stride, padding, ceil = self._three(1, 2, 2, 3), self._three(1, 2, 3), self._three(0, 0, 1), False
            if any(more > edge // 2 for more, edge in zip(padding, kernel, strict=True)):
                padding = (0, 0, 0)
            ceil = self._one_in(4)
            goal = tuple(self.random.randint(1, edge) for edge in self.edges)
            layer: nn.Module = self.random.choice(
                (
                    nn.MaxPool3d(kernel, stride, padding, self._three(1, 1, 1, 2), ceil_mode=ceil),
                    nn.MaxPool3d(kernel, padding=padding),
                    nn.AvgPool3d(kernel, stride, padding, ceil, count_include_pad=not self._one_in(3)),
                    nn.AdaptiveAvgPool3d(goal),
                    nn.AdaptiveMaxPool3d(goal),
                )
            )
            if self._fits(layer):
                return layer

    def _around(self) -> list[nn.Module]:
        how = self.random.choice(("added", "added", "added in place", "joined", "joined", "a gate", "excited"))
        before, after = self.channels, self.channels if how.startswith("added") else 1
        if how == "joined":
            after = self.random.choice((1, 2, 4))
        if how == "excited":
            return [Around(nn.Sequential(Mean(), nn.Conv3d(before, before, 1)), how)]
        kernel = self._three(1, 3, 3, 5)
        padding = tuple(edge // 2 for edge in kernel)
        body: list[nn.Module] = [nn.Conv3d(before, after, kernel, padding=padding)]
        body += [nn.BatchNorm3d(after)] if self._one_in(2) else []
        layer = Around(nn.Sequential(*body, self.random.choice(ACTIVATIONS)()), how)
        return [layer] if self._fits(layer) else []

    def _enlarged(self) -> list[nn.Module]:
        layer = self.random.choice((nn.Upsample(scale_factor=2), nn.ConvTranspose3d(self.channels, 2, 2, 2)))
        return [layer] if self._one_in(3) and self._fits(layer) else []


@dataclass(frozen=True, eq=False)
class Case:
    """A network, the same in float64, and two volumes."""

    predictor: Predictor
    exact: Predictor
    volumes: Tensor
    random: random.Random


def _case_of(seed: int) -> Case:
    """Every other network in the layout in which models are loaded, and every other volume without background."""
    r = random.Random(seed)
    first, second, third = r.sample(range(5, 14), 3)
    outputs = r.choice((1, 1, 3))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = RandomNetwork(seed, (first, second, third), outputs)
        full = torch.randn(2, 1, first, second, third)
    exact = copy.deepcopy(network).double()
    if r.random() < 0.5:
        settle(network, torch.device("cpu"))
    if outputs == 3 and r.random() < 0.5:
        made = TorchModule().aimed_at("sex", ("a", "b", "c"), "b")
    else:
        made = TorchModule(column=outputs - 1)
        if outputs == 3 and r.random() < 0.5:
            made = TorchModule(bins_start=20.0, bins_stop=80.0)
    recipe = Recipe(shape=(first, second, third), voxel_size=4.0)
    volumes = full if r.random() < 0.5 else toy_brains(2, (first, second, third))
    return Case(made.loaded(network, recipe), made.loaded(exact, recipe), volumes, r)


@pytest.fixture(scope="session")
def case_of() -> Callable[[int], Case]:
    """`case_of(seed)`: one of endlessly many networks."""
    return _case_of
