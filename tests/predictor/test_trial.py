"""Networks that do what no map could stand, each found by its kind; and those that only look like it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpbench import Predictor, Recipe
from interpbench.errors import InputError
from interpbench.predictor.made_up import made_up_volumes
from interpbench.predictor.trial import KINDS, refuse_findings, try_network
from interpbench_networks.torch_module import TorchModule

SHAPE = (10, 12, 9)
RECIPE = Recipe(shape=SHAPE, voxel_size=4.0)
VOLUMES = made_up_volumes(RECIPE)


class Net(nn.Module):
    """A convolution, its features averaged, a number; a subclass changes one step."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, 1)

    def features(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x))

    def answer(self, z: Tensor) -> Tensor:
        return self.head(z)

    def forward(self, x: Tensor) -> Tensor:
        return self.answer(self.features(x).mean((2, 3, 4)))


class FunctionalDropout(Net):
    def answer(self, z: Tensor) -> Tensor:
        return self.head(F.dropout(z, 0.5))


class Noise(Net):
    def features(self, x: Tensor) -> Tensor:
        return super().features(x + 0.1 * torch.randn_like(x))


class KeptTraining(Net):
    """`eval()` is overridden, so dropout stays on."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.3)

    def train(self, mode: bool = True) -> KeptTraining:
        return super().train(True)

    def answer(self, z: Tensor) -> Tensor:
        return self.head(self.drop(z))


class Counting(Net):
    """Its answer moves from call to call, without any draw."""

    def answer(self, z: Tensor) -> Tensor:
        self.calls = getattr(self, "calls", 0) + 1
        return self.head(z) + 0.1 * self.calls


class BatchStatistics(Net):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm3d(8, track_running_stats=False)

    def features(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x))) ** 2


class TrainsItsNorm(BatchStatistics):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm3d(8)

    def features(self, x: Tensor) -> Tensor:
        self.norm.train()
        return super().features(x)


class Demeaned(Net):
    def answer(self, z: Tensor) -> Tensor:
        return 100 * self.head(z - z.mean(0, keepdim=True)) + 50


class FirstIsSpecial(Net):
    def answer(self, z: Tensor) -> Tensor:
        return self.head(z) + torch.arange(len(z))[:, None]


class SeededDropout(Net):
    """The same draw in every pass, another in every place of a batch."""

    def answer(self, z: Tensor) -> Tensor:
        torch.manual_seed(0)
        return self.head(F.dropout(z, 0.5))


class OneAtATime(Net):
    def answer(self, z: Tensor) -> Tensor:
        return self.head(z.reshape(1, 8))


class NoGrad(Net):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Detached(Net):
    def features(self, x: Tensor) -> Tensor:
        return super().features(x).detach()


class Numpy(Net):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor(super().forward(x).detach().numpy())


class NumpyOnly(Net):
    """Works without gradients only."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor(super().forward(x).numpy())


class Rounded(Net):
    def answer(self, z: Tensor) -> Tensor:
        return (1000 * self.head(z)).round()


class NotANumberBack(Net):
    """The answer is finite, its gradient is not."""

    def answer(self, z: Tensor) -> Tensor:
        return self.head(z) + (0 * z[:, :1]).sqrt()


class Constant(Net):
    def answer(self, z: Tensor) -> Tensor:
        return 0 * self.head(z) + 61.5


class DeadInside(Net):
    def features(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) - 1e6)


class Shut(Net):
    def answer(self, z: Tensor) -> Tensor:
        return torch.relu(-self.head(z).abs() - 1)


class Shut6(Net):
    def answer(self, z: Tensor) -> Tensor:
        return F.relu6(-self.head(z).abs() - 1)


FOUND: dict[type[Net], str] = {
    FunctionalDropout: "chance",
    Noise: "chance",
    KeptTraining: "chance",
    Counting: "chance",
    BatchStatistics: "batch",
    TrainsItsNorm: "batch",
    Demeaned: "batch",
    FirstIsSpecial: "batch",
    SeededDropout: "batch",
    OneAtATime: "batch",
    NoGrad: "gradient",
    Detached: "gradient",
    Numpy: "gradient",
    NumpyOnly: "gradient",
    Rounded: "gradient",
    NotANumberBack: "gradient",
    Constant: "constant",
    DeadInside: "constant",
    Shut: "stuck",
    Shut6: "stuck",
}


def predictor(kind: Callable[[], nn.Module]) -> Predictor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TorchModule(factory="nets:Net").loaded(kind(), RECIPE)


@pytest.mark.parametrize("kind", FOUND, ids=lambda kind: kind.__name__)
def test_each_is_refused_by_its_kind_unless_that_is_accepted(kind: type[Net]) -> None:
    trial = try_network(predictor(kind), VOLUMES, "made-up volumes")
    wanted = FOUND[kind]
    assert wanted in KINDS and {one.kind for one in trial.findings} == {wanted}
    with pytest.raises(InputError, match=r"^MODEL: .*--accept") as caught:
        refuse_findings(trial.findings, "MODEL", how=" `--accept {kind}`")
    assert "\n" not in str(caught.value) and f"--accept {wanted}" in str(caught.value)
    (sentence,) = refuse_findings(trial.findings, "MODEL", accepted=[wanted])
    assert sentence.startswith("MODEL: ") and "accept" not in sentence


@pytest.mark.parametrize(("kind", "part"), [(KeptTraining, "drop"), (BatchStatistics, "norm"), (TrainsItsNorm, "norm")])
def test_the_part_that_is_why_is_named(kind: type[Net], part: str) -> None:
    assert f"(because of {part})" in try_network(predictor(kind), VOLUMES).findings[0].sentence


class RunningInstance(Net):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm3d(8, affine=True, track_running_stats=True)

    def features(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x)))


class OwnStatistics(RunningInstance):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm3d(8)


class EvalDropout(KeptTraining):
    def train(self, mode: bool = True) -> EvalDropout:
        nn.Module.train(self, mode)
        return self


class RunningBatch(BatchStatistics):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm3d(8)


class Squeezed(Net):
    def answer(self, z: Tensor) -> Tensor:
        return self.head(z).squeeze()


class Ill(Net):
    """Large sums that cancel: its last digits are rounding, in a batch another than alone."""

    def answer(self, z: Tensor) -> Tensor:
        return (self.head(z) + 1e4) - 1e4


class OwnScale(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x / x.flatten(1).std(1)[:, None, None, None, None])  # of zeros, no number


SOUND = [Net, RunningInstance, OwnStatistics, EvalDropout, RunningBatch, Squeezed, Ill, OwnScale]


@pytest.mark.parametrize("kind", SOUND, ids=lambda kind: kind.__name__)
def test_what_is_sound_passes_with_its_figures(kind: type[Net]) -> None:
    trial = try_network(predictor(kind), VOLUMES)
    assert trial.findings == ()
    assert trial.figures["repeat_difference"] == 0 and trial.figures["largest_gradient"] > 0
    assert len(trial.figures["answers"]) == len(VOLUMES)


def test_the_trial_leaves_all_as_it_was_and_finds_the_same_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "interpbench")
    for kind in (Net, TrainsItsNorm, FunctionalDropout, Counting):
        tried = predictor(kind)
        before = {name: values.clone() for name, values in tried.module.state_dict().items()}
        state, volumes = torch.get_rng_state(), VOLUMES.clone()
        first = try_network(tried, volumes)
        after = tried.module.state_dict()
        assert all(torch.equal(after[name], values) for name, values in before.items())
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.equal(volumes, VOLUMES) and not any(part.training for part in tried.module.modules())
        assert try_network(tried, volumes) == first
    assert "testing the network: predicting the same volume several times" in caplog.text


def test_memory_that_is_too_short_for_a_batch_is_no_finding() -> None:
    class Heavy(Net):
        def forward(self, x: Tensor) -> Tensor:
            if len(x) > 1 or x.requires_grad:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return super().forward(x)

    trial = try_network(predictor(Heavy), VOLUMES)
    assert trial.findings == () and trial.figures["largest_gradient"] is None
