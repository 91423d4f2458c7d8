"""Reading a network: which of its steps can be done in part, what cannot be read, and that it is left as it was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from interpbench import Predictor, Recipe
from interpbench.kit import PRECISIONS
from interpbench.predictor.passes import counted_passes
from interpbench.testing import ToyFailure, cube_predictor, failing, toy_brains
from interpbench.testing.snapshot import Snapshot
from interpbench_networks.torch_module import TorchModule
from interpbench_occlusion.convolution import Convolution
from interpbench_occlusion.reading import Untraceable, in_precision, program_of
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
    program = program_of(predictor_of(between), VOLUMES)
    kinds = [isinstance(step.call, Convolution) for step in program.steps]
    assert sum(kinds) == 2
    last = len(kinds) - 1 - kinds[::-1].index(True)
    assert last > 1
    assert all(step.local for step in program.steps[: last + 1])


@pytest.mark.parametrize("between", NOT_LOCAL.values(), ids=NOT_LOCAL)
def test_what_mixes_voxels_or_knows_their_place_needs_whole_volumes(between: Callable[[Tensor], Tensor]) -> None:
    program = program_of(predictor_of(between), VOLUMES)
    assert program.steps[0].local
    assert not program.steps[1].local


@pytest.mark.parametrize("between", [*LOCAL.values(), *NOT_LOCAL.values()], ids=[*LOCAL, *NOT_LOCAL])
def test_step_after_step_it_is_the_network_for_any_number_of_subjects(between: Callable[[Tensor], Tensor]) -> None:
    predictor = predictor_of(between)
    program = program_of(predictor, VOLUMES[:1])
    with torch.no_grad():
        for subjects in (1, 2, 3):
            torch.testing.assert_close(called(program, VOLUMES[:subjects]), predictor.predict(VOLUMES[:subjects]))


def test_a_batch_norm_by_the_statistics_of_the_batch_needs_whole_volumes() -> None:
    program = program_of(predictor_of(nn.BatchNorm3d(4, track_running_stats=False).eval()), VOLUMES)
    assert not program.steps[1].local


def test_convolutions_are_brought_to_another_precision_and_nothing_else_is() -> None:
    program = program_of(predictor_of(nn.PReLU(4).eval()), VOLUMES)
    changed = in_precision(program, PRECISIONS["bfloat16"])
    for before, after in zip(program.steps, changed.steps, strict=True):
        if isinstance(after.call, Convolution):
            assert after.call.weight.dtype == torch.bfloat16
            assert before.call.weight.dtype == torch.float32
        else:
            assert after is before


def by_value(features: Tensor) -> Tensor:
    return features if float(features.sum()) > 0 else 2 * features


def through_numpy(features: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(features.detach().numpy() + 1))


def by_subjects(features: Tensor) -> Tensor:
    return features / len(list(features))


UNREADABLE = {"flow by values": by_value, "numpy": through_numpy, "a Python number of subjects": by_subjects}


@pytest.mark.parametrize("between", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_written_down_is_told_in_one_line(between: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(Untraceable) as caught:
        program_of(predictor_of(between), VOLUMES)
    assert str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_the_predictor_itself_has_to_say_is_heard() -> None:
    with pytest.raises(ToyFailure):
        program_of(failing(cube_predictor(SHAPE)), VOLUMES)


@pytest.mark.parametrize("between", [nn.GroupNorm(2, 4), by_value], ids=["read", "not read"])
def test_reading_leaves_everything_as_it_was(between: Callable[[Tensor], Tensor]) -> None:
    predictor = predictor_of(between)
    for part in predictor.module.modules():
        part.train(isinstance(part, nn.GroupNorm))  # one flag that is unlike the others, and says nothing
    before = Snapshot(predictor, VOLUMES)
    try:
        called(program_of(predictor, VOLUMES), VOLUMES)
    except Untraceable:
        assert between is by_value
    assert not before.changes()


def test_a_network_whose_passes_are_counted_can_be_read_and_reading_is_no_pass() -> None:
    predictor = predictor_of(nn.ReLU())
    with counted_passes(predictor.module) as passes:
        program_of(predictor, VOLUMES)
    assert passes.forward == 0


def written_through_another_name(values: Tensor) -> Tensor:
    other = values.detach()
    values.mul_(2)
    return other


def written_in_a_slice(values: Tensor) -> Tensor:
    values = values.clone()
    values[:, :2] += 1
    return values


@pytest.mark.parametrize("between", [written_through_another_name, written_in_a_slice])
def test_what_writes_into_memory_that_others_share_is_not_read(between: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(Untraceable, match="memory that other values share"):
        program_of(predictor_of(between), VOLUMES)
