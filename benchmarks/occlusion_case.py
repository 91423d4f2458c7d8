"""What is explained in `occlusion.py`: a network with weights drawn at random, and one brain.

A case is a word, NETWORK:SHAPE:BOX, such as `resnet18:140x176x140:16`; boxes stand side by side. `:N` after it asks our
side about a sample of N boxes only. The networks' batch norms take their statistics from a few noisy brains, so that
activations have the size that they have in a trained network.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from interpbench import Predictor, Recipe, UsageError, brain_of
from interpbench.kit import settle
from interpbench.phantom.anatomy import BOX_MM, load_anatomy
from interpbench_networks.torch_module import TorchModule
from interpbench_occlusion.boxes import BoxGrid, Edges

BRAINS = ("image", "template", "ellipsoid")
CALIBRATED_ON = 70  # voxels: a larger volume is averaged down to about this edge for the batch norms' statistics


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network, a grid and the edge of the boxes."""

    network: str
    shape: Edges
    box: int
    sample: int = 0  # boxes that our side is asked about; 0 for the whole volume

    @classmethod
    def of(cls, word: str) -> Case:
        """From NETWORK:SHAPE:BOX or NETWORK:SHAPE:BOX:SAMPLE."""
        network, *rest = word.split(":")
        if network not in NETWORKS or len(rest) not in (2, 3):
            raise UsageError(f"a case is NETWORK:SHAPE:BOX with a network of {', '.join(NETWORKS)}, got {word!r}.")
        return cls(network=network, shape=edges(rest[0]), box=int(rest[1]), sample=int([*rest, "0"][2]))

    @property
    def name(self) -> str:
        shape = "x".join(map(str, self.shape))
        return f"{self.network}:{shape}:{self.box}" + (f":{self.sample}" if self.sample else "")

    @property
    def grid(self) -> BoxGrid:
        """Boxes side by side, those at the far ends cut off by the volume."""
        return BoxGrid(self.shape, (self.box,) * 3, (self.box,) * 3)


@dataclass(frozen=True, eq=False)
class Scene:
    """A case's network, in both layouts, and its brain."""

    predictor: Predictor  # as this project holds it
    networks: dict[str, nn.Module]  # by layout, for the peers: the same weights
    volume: Tensor  # (1, I, J, K)
    told: str  # what the brain is

    @cached_property
    def brain(self) -> Tensor:
        """`(I, J, K)` bool."""
        return brain_of(self.volume[None])[0]

    def with_brain(self, grid: BoxGrid) -> list[int]:
        """Which boxes hold brain."""
        return [index for index, box in enumerate(grid.boxes) if bool(self.brain[box].any())]


LAYOUTS = {"default": torch.contiguous_format, "channels_last": torch.channels_last_3d}


def scene(case: Case, *, width: int, seed: int, brain: str, image: Path | None) -> Scene:
    """Make network and brain.

    Args:
        width: channels of the network's first stage.
        brain, image: as of `volume_of`.
    """
    volume, told = volume_of(case.shape, brain, image, seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = NETWORKS[case.network](width)
        _calibrated(network, volume)
    networks = {}
    for name, layout in LAYOUTS.items():
        networks[name] = deepcopy(network)
        networks[name].to(memory_format=layout)  # type: ignore[call-overload]  # torch's stubs leave it out
    recipe = Recipe(shape=case.shape, voxel_size=BOX_MM[0] / case.shape[0])
    predictor = TorchModule().loaded(settle(network, torch.device("cpu")), recipe)
    return Scene(predictor, networks, volume, told)


def volume_of(shape: Edges, brain: str, image: Path | None, seed: int) -> tuple[Tensor, str]:
    """A brain of zero mean and unit variance, exactly 0 outside, and what it is.

    Args:
        brain: `image`, a file's; `template`, the phantom's; `ellipsoid`, smooth noise in one; `auto`, the first of
            these that there is.
        image: skull-stripped; None for one of the folder that INTERPBENCH_DATA names.
    """
    image = image or _image()
    voxel_size = BOX_MM[0] / shape[0]
    fits = all(round(edge * voxel_size) == length for edge, length in zip(shape, BOX_MM, strict=True))
    if brain == "auto":
        brain = "image" if image else "template" if fits else "ellipsoid"
    if brain == "image":
        if image is None:
            raise UsageError("there is no image: name one with --image, or a folder with INTERPBENCH_DATA.")
        return Recipe(shape=shape, voxel_size=voxel_size).prepare(image).volume, f"{image.name} at {voxel_size:g} mm"
    if brain == "template":
        return _normalised(torch.from_numpy(load_anatomy(voxel_size).template)), f"template at {voxel_size:g} mm"
    axes = torch.meshgrid(*(torch.linspace(-1.1, 1.1, edge) for edge in shape), indexing="ij")
    white = torch.randn((1, 1, *shape), generator=torch.Generator().manual_seed(seed))
    smooth = nn.functional.avg_pool3d(white, 3, 1, 1)[0, 0]
    return _normalised(torch.where(torch.stack(axes).square().sum(0) < 1, smooth, 0.0)), "ellipsoid of smooth noise"


def edges(word: str) -> Edges:
    """From `140x176x140`."""
    i, j, k = (int(edge) for edge in word.split("x"))
    return i, j, k


def sfcn(width: int) -> nn.Module:
    """A plain network after SFCN (Peng et al. 2021): five times convolution, batch norm, max pooling, ReLU."""
    layers: list[nn.Module] = []
    before = 1
    for channels in (width // 2, width, 2 * width, 4 * width, 4 * width):
        layers += [nn.Conv3d(before, channels, 3, padding=1), nn.BatchNorm3d(channels), nn.MaxPool3d(2), nn.ReLU()]
        before = channels
    layers += [nn.Conv3d(before, width, 1), nn.BatchNorm3d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(width, 1))


def _resnet18(width: int, first_stride: int = 1) -> nn.Module:
    from monai.networks.nets.resnet import ResNet

    planes = [width * factor for factor in (1, 2, 4, 8)]
    return ResNet("basic", [2, 2, 2, 2], planes, n_input_channels=1, num_classes=1, conv1_t_stride=first_stride)


def _densenet121(width: int) -> nn.Module:
    from monai.networks.nets.densenet import DenseNet121

    return DenseNet121(3, 1, 1, init_features=width, growth_rate=width // 2)


NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "resnet18": _resnet18,  # MONAI's, 7x7x7 stem of stride 1 as by its default
    "resnet18_stride2": lambda width: _resnet18(width, 2),  # the classic stem
    "densenet121": _densenet121,
    "sfcn": sfcn,
}


@torch.no_grad()
def _calibrated(network: nn.Module, volume: Tensor) -> None:
    """Batch norms take their statistics from noisy brains, two at a time."""
    for part in network.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.reset_running_stats()
            part.momentum = None  # the mean over all passes
    small = nn.functional.avg_pool3d(volume, max(1, round(volume.shape[1] / CALIBRATED_ON)))
    network.train()
    for _ in range(3):
        noise = torch.randn(2, *small.shape)
        network(small + 0.5 * noise * (small != 0))
    network.eval().requires_grad_(False)


def _normalised(values: Tensor) -> Tensor:
    """`(1, I, J, K)`."""
    inside = values != 0
    sample = values[inside].double()
    return torch.where(inside, (values - sample.mean()) / sample.std(correction=0), 0.0).float()[None]


def _image() -> Path | None:
    folder = os.environ.get("INTERPBENCH_DATA")
    return next(iter(sorted(Path(folder).glob("ixi/*.nii.gz"))), None) if folder else None
