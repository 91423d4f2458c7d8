"""Grad-CAM and networks whose features reach the prediction as tokens; and those that only look like it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from interpbench import NotApplicable, Predictor
from interpbench.testing import ToyPredictor, toy_brains
from interpbench_captum.layer import GradCam, GuidedGradCam

SHAPE = (8, 12, 10)
TOKENS = 4 * 6 * 5


class Patches(nn.Module):
    """Patches as feature maps, then whatever a subclass makes of them, then a number."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv3d(1, 8, 2, stride=2)
        self.mix = nn.Linear(8, 24)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 1)

    def tokens(self, x: Tensor) -> Tensor:
        return self.embed(x).flatten(2).transpose(1, 2)  # (B, N, C)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attend(*self.mix(self.tokens(x)).chunk(3, dim=-1)).mean(1))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return ((q @ k.transpose(1, 2)) / 8**0.5).softmax(-1) @ v


class Einsum(Patches):
    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return torch.einsum("bij,bjc->bic", torch.einsum("bic,bjc->bij", q, k).softmax(-1), v)


class Transposed(Patches):
    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        weights = (k @ q.transpose(1, 2)).softmax(1)
        return (v.transpose(1, 2) @ weights).transpose(1, 2)


class Fused(Patches):
    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]


class WithoutSoftmax(Patches):
    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return ((q @ k.transpose(1, 2)) / TOKENS) @ v


class Linear(Patches):
    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return q @ (k.transpose(1, 2) @ v)


class Module(Patches):
    weights = False

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self.attention(q, k, v, need_weights=self.weights)[0]


class ModuleWithWeights(Module):
    weights = True


class Encoder(Patches):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens(x)
        return self.head(self.encoder(torch.cat([self.token.expand(len(x), 1, 8), tokens], 1))[:, 0])


class Mixer(Patches):
    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Linear(TOKENS, TOKENS)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens(x)
        return self.head((tokens + self.places(self.norm(tokens).transpose(1, 2)).transpose(1, 2)).mean(1))


class Windows(Patches):
    """Attention within windows of 2 x 2 x 1 patches, on features that keep their places, as Swin has it."""

    def forward(self, x: Tensor) -> Tensor:
        features = self.norm(self.embed(x).permute(0, 2, 3, 4, 1))
        number = len(x)
        windows = features.reshape(number, 2, 2, 3, 2, 5, 8).permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, 4, 8)
        mixed = self.attend(*self.mix(windows).chunk(3, dim=-1))
        return self.head(mixed.reshape(number, -1, 8).mean(1))


class Hybrid(Patches):
    """A convolutional trunk before the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 8, 2, stride=2))


REFUSED = [
    Patches,
    Einsum,
    Transposed,
    Fused,
    WithoutSoftmax,
    Linear,
    Module,
    ModuleWithWeights,
    Encoder,
    Mixer,
    Windows,
    Hybrid,
]


class Pooled(Patches):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.tokens(x).mean(1))


class Flat(Patches):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8 * TOKENS, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embed(x).relu().flatten(1))


class NormOfChannels(Patches):
    """A norm over the channels of each voxel, and of the pooled features, as ConvNeXt has it."""

    def forward(self, x: Tensor) -> Tensor:
        features = self.norm(self.embed(x).permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)
        return self.head(self.norm(features.mean((2, 3, 4))))


class Squeezed(Patches):
    """Channels weighed by a gate, as squeeze-and-excitation has it."""

    def forward(self, x: Tensor) -> Tensor:
        features = self.embed(x)
        gate = self.mix(features.mean((2, 3, 4)))[:, :8].sigmoid()
        return self.head((features * gate[:, :, None, None, None]).mean((2, 3, 4)))


class PooledByAttention(Patches):
    """Three weighted means over places, as multiple-instance learning has it: places stay where they are."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens(x)
        weights = self.mix(tokens)[..., :3].softmax(1).transpose(1, 2)  # (B, 3, N)
        return self.head((weights @ tokens).mean(1))


class GatedVoxels(Patches):
    """Voxels weighed by a softmax over all of them."""

    def forward(self, x: Tensor) -> Tensor:
        features = self.embed(x)
        weights = features.mean(1, keepdim=True).flatten(1).softmax(1).reshape(-1, 1, 4, 6, 5)
        return self.head((features * weights).sum((2, 3, 4)))


class Normed(Patches):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Conv3d(1, 8, 2, stride=2), nn.GroupNorm(2, 8), nn.InstanceNorm3d(8), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embed(x).mean((2, 3, 4)) + self.embed(x).amax((2, 3, 4)))


READ = [Pooled, Flat, NormOfChannels, Squeezed, PooledByAttention, GatedVoxels, Normed]


def predictor(kind: Callable[[], nn.Module]) -> Predictor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ToyPredictor(kind(), SHAPE)


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("explainer", [GradCam(), GuidedGradCam()], ids=["gradcam", "guidedgradcam"])
def test_features_that_reach_the_prediction_as_tokens_are_refused(
    explainer: GradCam | GuidedGradCam, kind: type[Patches]
) -> None:
    with pytest.raises(NotApplicable, match=r"'network\.embed.* through .*-o layer=") as caught:
        explainer.explain(predictor(kind), toy_brains(1, SHAPE))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.__name__)
def test_features_that_keep_their_places_are_read(kind: type[Patches]) -> None:
    asked, volumes = predictor(kind), toy_brains(1, SHAPE)
    assert bool(GradCam().explain(asked, volumes).any())
    assert GradCam().describe(asked, volumes)["layer"].startswith("network.embed")
    assert not any(part._forward_hooks for part in asked.module.modules())


class Again(Windows):
    """Windows of attention, and a convolution behind them that nothing mixes afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv3d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.attend(*self.mix(self.tokens(x)).chunk(3, dim=-1))
        return self.head(self.last(tokens.transpose(1, 2).reshape(-1, 8, 4, 6, 5)).mean((2, 3, 4)))


def test_behind_the_attention_a_layer_can_be_read_and_before_it_not() -> None:
    asked, volumes = predictor(Again), toy_brains(1, SHAPE)
    assert GradCam().describe(asked, volumes) == {"layer": "network.last"}
    assert bool(GradCam().explain(asked, volumes).any())
    with pytest.raises(NotApplicable, match=r"layer 'network\.embed' reach the prediction through attention"):
        GradCam(layer="network.embed").explain(asked, volumes)


class Beside(Patches):
    """A layer that runs for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Conv3d(1, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.other(x)
        return self.head(self.embed(x).mean((2, 3, 4)))


def test_a_layer_that_the_prediction_does_not_depend_on_is_refused() -> None:
    with pytest.raises(NotApplicable, match=r"there is no gradient from the prediction to the features of layer"):
        GradCam(layer="network.other").explain(predictor(Beside), toy_brains(1, SHAPE))
