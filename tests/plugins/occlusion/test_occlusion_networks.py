"""The incremental engine says what the whole network says, for many kinds of networks, wherever its parts end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from monai.networks.nets import DenseNet, ResNet
from torch import Tensor, nn

from interpbench import Predictor, Recipe
from interpbench.kit import read_network
from interpbench.testing import toy_brains
from interpbench_networks.torch_module import TorchModule
from interpbench_occlusion.engine import Engine
from interpbench_occlusion.reading import program_of
from interpbench_occlusion.replacement import Place, with_place_hidden
from interpbench_occlusion.route import Route
from interpbench_occlusion.steps import Program

SHAPE = (12, 14, 10)
BOX = (slice(4, 8), slice(5, 9), slice(3, 6))
PLACES: Sequence[Place] = [
    BOX,
    (slice(0, 3), slice(0, 4), slice(0, 2)),
    (slice(10, 12), slice(12, 14), slice(7, 10)),
    (slice(5, 6), slice(13, 14), slice(4, 5)),
    (slice(0, 12), slice(6, 8), slice(0, 10)),
]


class Net(nn.Module):
    """Layers by name, and what they do to a volume; the channels' means are read out, the last ones weighing more."""

    def __init__(self, run: Callable[[Net, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self._run = run
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, volumes: Tensor) -> Tensor:
        means = self._run(self, volumes).mean((2, 3, 4))
        return (means * torch.linspace(1, 2, means.shape[1], dtype=means.dtype)).sum(1)


def conv(channels_in: int, channels: int, kernel: int | tuple[int, int, int] = 3, **given: object) -> nn.Conv3d:
    return nn.Conv3d(channels_in, channels, kernel, **{"padding": 1, **given})  # type: ignore[arg-type]


def chain(*parts: nn.Module) -> Net:
    return Net(lambda net, volumes: net.body(volumes), body=nn.Sequential(*parts))


def residual(net: Net, volumes: Tensor) -> Tensor:
    """Sums in place, and a value that is read before and after."""
    features = net.first(volumes)
    found = net.second(features).relu_()
    found += features
    found *= 0.5
    return found.add_(1.0).relu_() - features


def excited(net: Net, volumes: Tensor) -> Tensor:
    features = net.first(volumes)
    gates = net.gates(features.mean((2, 3, 4))).sigmoid()
    return net.second(features * gates[:, :, None, None, None])


def shifted(net: Net, volumes: Tensor) -> Tensor:
    by_channel = net.get_buffer("shift")
    return net.second((net.first(volumes) + by_channel) * 2.0 - by_channel[0])


def gated(net: Net, volumes: Tensor) -> Tensor:
    """One channel weights all the others."""
    features = net.first(volumes)
    return net.second(features * net.gate(features).sigmoid())


def joined(net: Net, volumes: Tensor) -> Tensor:
    """The image itself goes in again."""
    return net.second(torch.cat([volumes, net.first(volumes), volumes.square()], dim=1))


def twice(net: Net, volumes: Tensor) -> Tensor:
    """One layer at two places."""
    features = net.first(volumes)
    return net.second(net.second(features).relu()) + net.second(features)


def with_places(net: Net, volumes: Tensor) -> Tensor:
    """A constant as large as the volume goes in as well, once for each subject."""
    places = torch.linspace(-1, 1, SHAPE[2], dtype=volumes.dtype).expand(volumes.shape[0], 1, *SHAPE)
    return net.second(net.first(torch.cat([volumes, places], dim=1)) + places)


def enlarged(net: Net, volumes: Tensor) -> Tensor:
    return net.second(F.interpolate(F.pad(net.first(volumes), (0, 2, 1, 0, 0, 0)), scale_factor=2))


def shifting() -> Net:
    net = Net(shifted, first=conv(1, 4), second=conv(4, 4))
    net.register_buffer("shift", torch.randn(1, 4, 1, 1, 1))
    return net


def resnet() -> nn.Module:
    return ResNet("basic", [1, 1, 1, 1], [4, 4, 6, 8], n_input_channels=1, num_classes=1)


def densenet() -> nn.Module:
    return DenseNet(3, 1, 1, init_features=4, growth_rate=2, block_config=(2, 2), bn_size=2)


# How to make it, and how many steps at the beginning can be done in part.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "plain": (lambda: chain(conv(1, 4), nn.BatchNorm3d(4), nn.ReLU(), conv(4, 4), nn.ReLU(), nn.MaxPool3d(2)), 6),
    "in place": (
        lambda: chain(conv(1, 4), nn.ReLU(inplace=True), nn.Dropout(inplace=True), conv(4, 4)),
        3,
    ),  # dropout is off: no step
    "residual": (lambda: Net(residual, first=conv(1, 4), second=conv(4, 4)), 8),
    "ResNet": (resnet, 38),
    "DenseNet": (densenet, 38),
    "max pooling to the end": (
        lambda: chain(
            conv(1, 4),
            nn.MaxPool3d(3, 2, ceil_mode=True),
            conv(4, 4),
            nn.MaxPool3d((2, 3, 2), padding=(1, 1, 0), ceil_mode=True),
            conv(4, 4),
        ),
        5,
    ),
    "max pooling with holes": (lambda: chain(conv(1, 4), nn.MaxPool3d(3, 2, 1, dilation=2), conv(4, 4)), 3),
    "pooling that leaves voxels out": (lambda: chain(conv(1, 4), nn.MaxPool3d(2, 3), conv(4, 4)), 3),
    "average pooling": (lambda: chain(conv(1, 4), nn.AvgPool3d(3, 2, 1), conv(4, 4)), 3),
    "average pooling that leaves the last voxels out": (
        lambda: chain(conv(1, 4, 3, stride=(5, 1, 1)), nn.AvgPool3d(3, 3, 1), conv(4, 4)),
        3,
    ),
    "average pooling of the volume alone": (
        lambda: chain(conv(1, 4), nn.AvgPool3d(3, 2, 1, count_include_pad=False), conv(4, 4)),
        1,
    ),
    "average pooling to the end": (lambda: chain(conv(1, 4), nn.AvgPool3d(3, 2, ceil_mode=True), conv(4, 4)), 1),
    "dilated and grouped": (
        lambda: chain(conv(1, 4, dilation=2, padding=2), conv(4, 8, groups=4), conv(8, 8, groups=2, stride=(2, 1, 2))),
        3,
    ),
    "windows of unequal edges": (
        lambda: chain(
            conv(1, 4, (1, 3, 5), stride=(1, 2, 1), padding=(0, 0, 2)),
            nn.ReLU(),
            conv(4, 4, (3, 1, 2), padding=(2, 0, 1)),
        ),
        3,
    ),
    "strides longer than the window": (lambda: chain(conv(1, 4, 2, stride=3, padding=0), conv(4, 4)), 2),
    "activations": (
        lambda: chain(
            conv(1, 4),
            nn.LeakyReLU(0.2),
            nn.ELU(),
            nn.PReLU(4),
            nn.GELU(),
            nn.SiLU(),
            nn.Hardswish(),
            nn.Softplus(),
            nn.Tanh(),
            conv(4, 4),
        ),
        10,
    ),
    "constants by channel": (shifting, 5),
    "squeeze and excite": (lambda: Net(excited, first=conv(1, 4), gates=nn.Linear(4, 4), second=conv(4, 4)), 1),
    "a gate for each voxel": (lambda: Net(gated, first=conv(1, 4), gate=conv(4, 1), second=conv(4, 4)), 5),
    "the image again": (lambda: Net(joined, first=conv(1, 4), second=conv(6, 4)), 4),
    "one layer twice": (lambda: Net(twice, first=conv(1, 4), second=conv(4, 4)), 6),
    "coordinates": (lambda: Net(with_places, first=conv(2, 4), second=conv(4, 4)), 0),
    "enlarged": (lambda: Net(enlarged, first=conv(1, 4), second=conv(4, 4)), 1),
    "transposed": (lambda: chain(conv(1, 4, stride=2), nn.ConvTranspose3d(4, 4, 2, stride=2), conv(4, 4)), 1),
    "padding in words": (lambda: chain(conv(1, 4), conv(4, 4, padding="same"), conv(4, 4)), 1),
    "instance norm": (lambda: chain(conv(1, 4), nn.InstanceNorm3d(4), conv(4, 4)), 1),
    "group norm": (lambda: chain(conv(1, 4), nn.GroupNorm(2, 4), nn.ReLU(), conv(4, 4)), 1),
}


def predictor_of(make: Callable[[], nn.Module], dtype: torch.dtype) -> Predictor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = make()
        for part in module.modules():
            if isinstance(part, nn.BatchNorm3d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
    return TorchModule().loaded(module.to(dtype), Recipe(shape=SHAPE, voxel_size=4.0))


def necks(program: Program) -> list[int]:
    """After how many steps, all of which can be done in part, one value alone is read again."""
    local = next((index for index, step in enumerate(program.steps) if not step.local), len(program.steps))
    found = []
    for neck in range(local + 1):
        made = {program.volume, *(step.result for step in program.steps[:neck])}
        if len({name for step in program.steps[neck:] for name in step.inputs} & made) == 1:
            found.append(neck)
    return found


def plain(predictor: Predictor, volume: Tensor, places: Sequence[Place], value: float) -> tuple[float, Tensor]:
    with torch.no_grad():
        hidden = torch.stack([with_place_hidden(volume[0], place, lambda _: value) for place in places])
        return float(predictor.predict(volume[None])), predictor.predict(hidden[:, None]).double()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_in_parts_it_says_what_the_whole_network_says(kind: str, dtype: torch.dtype) -> None:
    make, local = NETWORKS[kind]
    predictor, volume = predictor_of(make, dtype), toy_brains(1, SHAPE)[0].to(dtype)
    clean, hidden = plain(predictor, volume, PLACES, 0.5)
    assert float((hidden - clean).abs().max()) > 1e-4  # else nothing would be tested
    program = program_of(read_network(predictor, volume[None]).network)
    ends = necks(program)
    assert next(index for index, step in enumerate(program.steps) if not step.local) >= local
    engine = Engine(program=program, batch_size=3, memory=2.0**30)
    allowed = 1e-12 if dtype == torch.float64 else 1e-6
    for neck in ends:
        first, others = engine.predictions(Route(program, neck), volume, PLACES, lambda _: 0.5)
        assert first == pytest.approx(clean, abs=allowed)
        torch.testing.assert_close(others, hidden, atol=allowed, rtol=0, msg=f"up to step {neck} of {ends}")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("target", "outputs"), [("b", 3), ("a", 2), ("b", 1)])
def test_a_classifiers_logit_is_followed_as_well(target: str, outputs: int, dtype: torch.dtype) -> None:
    classes = ("a", "b", "c")[: max(2, outputs)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        module = nn.Sequential(
            conv(1, 4), nn.ReLU(), conv(4, 6), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(6, outputs)
        )
    recipe, volume = Recipe(shape=SHAPE, voxel_size=4.0), toy_brains(1, SHAPE)[0].to(dtype)
    predictor = TorchModule().aimed_at("sex", classes, target).loaded(module.to(dtype), recipe)
    program = program_of(read_network(predictor, volume[None]).network)
    found = Engine(program=program, batch_size=3, memory=2.0**30).predictions(
        Route(program, 3), volume, PLACES, lambda _: 0.5
    )
    clean, hidden = plain(predictor, volume, PLACES, 0.5)
    assert found[0] == pytest.approx(clean, abs=1e-6)
    torch.testing.assert_close(found[1], hidden, atol=1e-12 if dtype == torch.float64 else 1e-6, rtol=0)
