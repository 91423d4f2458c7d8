"""A network as steps: which of them can be done in part, and that together they are the network."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from interpbench import Predictor, Recipe
from interpbench.kit import PRECISIONS, Convolution, read_network
from interpbench.testing import toy_brains
from interpbench_networks.torch_module import TorchModule
from interpbench_occlusion.reading import in_precision, program_of
from interpbench_occlusion.steps import Program

SHAPE = (6, 7, 8)
VOLUMES = toy_brains(3, SHAPE)


class Runs(nn.Module):
    """Two convolutions, and anything between them."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.last = nn.Conv3d(1, 4, 3, padding=1), nn.Conv3d(4, 1, 3, padding=1)
        self.between = between

    def forward(self, volumes: Tensor) -> Tensor:
        return self.last(self.between(self.first(volumes))).sum((1, 2, 3, 4))


def predictor_of(between: Callable[[Tensor], Tensor]) -> Predictor:
    return TorchModule().loaded(Runs(between), Recipe(shape=SHAPE, voxel_size=4.0))


def called(program: Program, volumes: Tensor) -> Tensor:
    """A program run from its first step to its last."""
    values = {program.volume: volumes}
    for step in program.steps:
        values[step.result] = step.call(*(values[name] for name in step.inputs))
    return values[program.output]


def by_channel(values: Tensor, dimensions: int) -> Tensor:
    return values.reshape(*[1] * (dimensions - 4), 4, 1, 1, 1)


WEIGHTS = torch.tensor([1.0, -2.0, 0.5, 3.0])
LOCAL: dict[str, Callable[[Tensor], Tensor]] = {
    "a number": lambda features: 2 * features - 1,
    "a number for each channel": lambda features: features * by_channel(WEIGHTS, 5),
    "one for each channel, without the batch": lambda features: features + by_channel(WEIGHTS, 4),
    "one for each channel, as often as there are subjects": lambda features: (
        features - by_channel(WEIGHTS, 5).expand(features.shape[0], 4, 1, 1, 1)
    ),
    "a square in place": lambda features: features.clone().mul_(features),
    "written into": lambda features: features.clone().clamp_(-0.5, 0.5).neg_(),
    "joined": lambda features: torch.maximum(features, features.neg()) / 2,
}

NOT_LOCAL: dict[str, Callable[[Tensor], Tensor]] = {
    "a number for each voxel": lambda features: features * torch.linspace(0, 1, SHAPE[2]),
    "one for each voxel, as often as there are subjects": lambda features: (
        features + torch.linspace(0, 1, SHAPE[2]).expand(features.shape[0], 4, *SHAPE)
    ),
    "the mean of all": lambda features: features - features.mean((2, 3, 4), keepdim=True),
    "upside down": lambda features: features.flip(2),
    "one voxel further": lambda features: features.roll(1, dims=3),
    "axes exchanged": lambda features: features.transpose(1, 2).transpose(1, 2),
    "side by side along an axis": lambda features: torch.cat([features, features], dim=3)[:, :, :, : SHAPE[1]],
}


@pytest.mark.parametrize("between", LOCAL.values(), ids=LOCAL)
def test_what_takes_each_voxel_for_itself_can_be_done_in_part(between: Callable[[Tensor], Tensor]) -> None:
    program = program_of(read_network(predictor_of(between), VOLUMES).network)
    kinds = [isinstance(step.call, Convolution) for step in program.steps]
    assert sum(kinds) == 2
    last = len(kinds) - 1 - kinds[::-1].index(True)
    assert last > 1
    assert all(step.local for step in program.steps[: last + 1])


@pytest.mark.parametrize("between", NOT_LOCAL.values(), ids=NOT_LOCAL)
def test_what_mixes_voxels_or_knows_their_place_needs_whole_volumes(between: Callable[[Tensor], Tensor]) -> None:
    program = program_of(read_network(predictor_of(between), VOLUMES).network)
    assert program.steps[0].local
    assert not program.steps[1].local


@pytest.mark.parametrize("between", [*LOCAL.values(), *NOT_LOCAL.values()], ids=[*LOCAL, *NOT_LOCAL])
def test_step_after_step_it_is_the_network_for_any_number_of_subjects(between: Callable[[Tensor], Tensor]) -> None:
    predictor = predictor_of(between)
    program = program_of(read_network(predictor, VOLUMES).network)
    with torch.no_grad():
        for subjects in (1, 2, 3):
            torch.testing.assert_close(called(program, VOLUMES[:subjects]), predictor.predict(VOLUMES[:subjects]))


def test_a_batch_norm_by_the_statistics_of_the_batch_needs_whole_volumes() -> None:
    program = program_of(
        read_network(predictor_of(nn.BatchNorm3d(4, track_running_stats=False).eval()), VOLUMES).network
    )
    assert not program.steps[1].local


def test_convolutions_are_brought_to_another_precision_and_nothing_else_is() -> None:
    program = program_of(read_network(predictor_of(nn.PReLU(4).eval()), VOLUMES).network)
    changed = in_precision(program, PRECISIONS["bfloat16"])
    for before, after in zip(program.steps, changed.steps, strict=True):
        if isinstance(after.call, Convolution):
            assert after.call.weight.dtype == torch.bfloat16
            assert before.call.weight.dtype == torch.float32
        else:
            assert after is before
