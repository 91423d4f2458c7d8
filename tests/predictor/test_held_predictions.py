"""What holds a prediction at its limit is named: a clamp, a ReLU, or whatever a network ends in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpbench import Predictor, Recipe
from interpbench.predictor.made_up import made_up_volumes
from interpbench.predictor.readout import bound_of
from interpbench.predictor.trial import refuse_findings, try_network
from interpbench_networks.torch_module import TorchModule

SHAPE = (10, 12, 9)
RECIPE = Recipe(shape=SHAPE, voxel_size=4.0)
VOLUMES = made_up_volumes(RECIPE)


class Net(nn.Module):
    """A number of a convolution's averages; a subclass changes how it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, 1)

    def answer(self, z: Tensor) -> Tensor:
        return self.head(z)

    def forward(self, x: Tensor) -> Tensor:
        return self.answer(self.conv(x).relu().mean((2, 3, 4)))


def predictor(kind: Callable[[], nn.Module]) -> Predictor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TorchModule(factory="nets:Net").loaded(kind(), RECIPE)


def clamped(low: float, high: float) -> Callable[[], nn.Module]:
    class Clamped(Net):
        def answer(self, z: Tensor) -> Tensor:
            return (5000 * self.head(z)).clamp(low, high)

    return Clamped


def test_a_clamp_is_a_doubt_that_counts_its_predictions() -> None:
    held = predictor(clamped(45, 80))
    (finding,) = try_network(held, VOLUMES, "made-up volumes").findings
    assert (finding.kind, finding.certain) == ("stuck", False)
    answers = [float(held.predict(volume[None])) for volume in VOLUMES]
    expected = max(answers.count(45.0), answers.count(80.0))
    assert f"{expected} of 6 predictions of made-up volumes are exactly" in finding.sentence
    assert "years: the network ends in a clamp at its" in finding.sentence
    assert refuse_findings([finding], "MODEL") == (f"MODEL: {finding.sentence}.",)


ENDS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "relu": (lambda z: torch.relu(z - 9), "a ReLU at its floor"),
    "relu, scaled and shifted": (lambda z: 22 + 3 * F.relu(z - 9).view(-1, 1), "a ReLU at its floor"),
    "relu in place": (lambda z: (z - 9).relu_(), "a ReLU at its floor"),
    "relu module, then a line": (lambda z: F.linear(nn.ReLU()(z - 9), torch.ones(1, 1)), "a ReLU at its floor"),
    "threshold": (lambda z: F.threshold(z, 9.0, 22.0), "a threshold at its floor"),
    "relu6 below": (lambda z: F.relu6(z - 9), "a ReLU6 at its floor"),
    "relu6 above": (lambda z: F.relu6(z + 99), "a ReLU6 at its ceiling"),
    "hardtanh": (lambda z: F.hardtanh(z + 99), "a Hardtanh at its ceiling"),
    "clamp below": (lambda z: z.clamp(30, 80), "a clamp at its floor"),
    "clamp above": (lambda z: (z + 99).clamp(30, 80), "a clamp at its ceiling"),
    "clamp_min": (lambda z: z.clamp(min=30), "a clamp at its floor"),
    "clamp_max": (lambda z: (z + 99).clamp_max(80), "a clamp at its ceiling"),
    "maximum": (lambda z: torch.maximum(z, torch.tensor(30.0)), "a maximum at its floor"),
    "minimum": (lambda z: torch.minimum(torch.tensor(-30.0), z), "a minimum at its ceiling"),
    "sigmoid": (lambda z: 100 * (z + 99).sigmoid(), "a sigmoid at its ceiling"),
    "tanh": (lambda z: (z - 99).tanh(), "a tanh at its floor"),
    "hard sigmoid": (lambda z: F.hardsigmoid(z - 99), "a hard sigmoid at its floor"),
    "where": (lambda z: torch.where(z > 9, z, torch.tensor(22.0)), "a where at its limit"),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_layer_that_holds_a_prediction_is_named(name: str) -> None:
    ending, said = ENDS[name]

    class Held(Net):
        def answer(self, z: Tensor) -> Tensor:
            return ending(self.head(z))

    assert str(bound_of(predictor(Held), VOLUMES[:1])) == said


@pytest.mark.parametrize(
    "ending",
    [
        lambda z: z,
        lambda z: z.clamp(-99, 99),
        lambda z: torch.relu(z + 9),
        lambda z: z.sigmoid(),
        lambda z: torch.maximum(z, torch.tensor(-30.0)),
        lambda z: torch.relu(z - 9) + z,
        lambda z: z.detach(),
    ],
)
def test_a_prediction_within_its_range_is_held_by_nothing(ending: Callable[[Tensor], Tensor]) -> None:
    class Free(Net):
        def answer(self, z: Tensor) -> Tensor:
            return ending(self.head(z))

    assert bound_of(predictor(Free), VOLUMES[:1]) is None
