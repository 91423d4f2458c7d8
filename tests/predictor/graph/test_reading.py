"""Reading a network as a graph: what cannot be read, that it is read once, and that it is left as it was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpbench import Predictor, Recipe
from interpbench.kit import UnreadableNetwork, read_network
from interpbench.predictor.graph import reading
from interpbench.predictor.passes import counted_passes
from interpbench.testing import ToyFailure, cube_predictor, failing, toy_brains
from interpbench.testing.snapshot import Snapshot
from interpbench_networks.torch_module import TorchModule

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


def by_value(features: Tensor) -> Tensor:
    return features if float(features.sum()) > 0 else 2 * features


def through_numpy(features: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(features.detach().numpy() + 1))


def by_subjects(features: Tensor) -> Tensor:
    return features / len(list(features))


UNREADABLE = {"flow by values": by_value, "numpy": through_numpy, "a Python number of subjects": by_subjects}


@pytest.mark.parametrize("between", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_written_down_is_told_in_one_line(between: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(UnreadableNetwork) as caught:
        read_network(predictor_of(between), VOLUMES)
    assert str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_the_predictor_itself_has_to_say_is_heard() -> None:
    with pytest.raises(ToyFailure):
        read_network(failing(cube_predictor(SHAPE)), VOLUMES)


@pytest.mark.parametrize("between", [nn.GroupNorm(2, 4), by_value], ids=["read", "not read"])
def test_reading_leaves_everything_as_it_was(between: Callable[[Tensor], Tensor]) -> None:
    predictor = predictor_of(between)
    for part in predictor.module.modules():
        part.train(isinstance(part, nn.GroupNorm))  # one flag that is unlike the others, and says nothing
    before = Snapshot(predictor, VOLUMES)
    try:
        read_network(predictor, VOLUMES).network(VOLUMES)
    except UnreadableNetwork:
        assert between is by_value
    assert not before.changes()


def test_a_network_whose_passes_are_counted_can_be_read_and_reading_is_no_pass() -> None:
    predictor = predictor_of(nn.ReLU())
    with counted_passes(predictor.module) as passes:
        read_network(predictor, VOLUMES)
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
    with pytest.raises(UnreadableNetwork, match="memory that other values share"):
        read_network(predictor_of(between), VOLUMES)


def written_in_a_piece(values: Tensor) -> Tensor:
    values = values.clone()
    first, _ = values.split(2, dim=1)
    first.mul_(2)
    return values


def seen_through_dropout(values: Tensor) -> Tensor:
    """Dropout that is off gives its very input, which is then written under another name."""
    other = F.dropout(values, 0.5, training=False)
    other.mul_(2)
    return values + 1


def reshaped(values: Tensor) -> Tensor:
    return values.view(values.shape[0], -1).square().view(values.shape)


READABLE = {"a view": reshaped, "dropout that is off": seen_through_dropout, "dropout": nn.Dropout3d(0.5)}


@pytest.mark.parametrize("between", READABLE.values(), ids=READABLE)
def test_a_graph_says_what_the_network_says_for_any_number_of_subjects(between: Callable[[Tensor], Tensor]) -> None:
    predictor = predictor_of(between)
    graph = read_network(predictor, VOLUMES[:1])
    with torch.no_grad():
        for subjects in (1, 2, 3):
            for network in (graph.network, graph.fused):
                torch.testing.assert_close(network(VOLUMES[:subjects]), predictor.predict(VOLUMES[:subjects]))


def test_a_piece_that_is_written_is_not_read() -> None:
    with pytest.raises(UnreadableNetwork, match="memory that other values share"):
        read_network(predictor_of(written_in_a_piece), VOLUMES)


def by_chance(values: Tensor) -> Tensor:
    return F.dropout(values, 0.5, training=True)


def noisy(values: Tensor) -> Tensor:
    return values + torch.rand(4, 1, 1, 1)


@pytest.mark.parametrize("between", [by_chance, noisy])
def test_what_depends_on_chance_is_not_read(between: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(UnreadableNetwork, match="other values each time"):
        read_network(predictor_of(between), VOLUMES)


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Predictor]:
    """For whom torch was asked."""
    asked: list[Predictor] = []
    as_it_is = reading.read_function

    def watched(function: Callable[[Tensor], Tensor], module: nn.Module, example: Tensor) -> object:
        asked.append(function.__self__)  # type: ignore[attr-defined]
        return as_it_is(function, module, example)

    monkeypatch.setattr(reading, "read_function", watched)
    return asked


def test_a_network_is_read_once_also_where_it_cannot_be_read(readings: list[Predictor]) -> None:
    predictor, other = predictor_of(nn.ReLU()), predictor_of(by_value)
    first = read_network(predictor, VOLUMES)
    with counted_passes(predictor.module):
        assert read_network(predictor, VOLUMES[:1]) is first
    for _ in range(2):
        with pytest.raises(UnreadableNetwork):
            read_network(other, VOLUMES)
    assert readings == [predictor, other]


CHANGES: dict[str, Callable[[Predictor], object]] = {
    "a weight": lambda predictor: next(predictor.module.parameters()).data.mul_(2),
    "weights change places": lambda predictor: next(predictor.module.parameters()).data.copy_(
        next(predictor.module.parameters()).data.flip(0)
    ),
    "a layer": lambda predictor: setattr(predictor.module, "last", nn.Conv3d(4, 1, 3, padding=1)),
    "a hook": lambda predictor: predictor.module.register_forward_hook(lambda module, given, output: 2 * output),
    "a flag": lambda predictor: predictor.module.train(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_network_that_was_changed_is_read_anew(
    change: Callable[[Predictor], object], readings: list[Predictor]
) -> None:
    predictor = predictor_of(nn.ReLU())
    read_network(predictor, VOLUMES)
    change(predictor)
    with torch.no_grad():
        torch.testing.assert_close(read_network(predictor, VOLUMES).fused(VOLUMES), predictor.predict(VOLUMES))
    assert len(readings) == 2


def test_volumes_of_other_edges_or_another_type_are_read_anew(readings: list[Predictor]) -> None:
    predictor = predictor_of(nn.ReLU())
    predictor.module.double()
    for volumes in (VOLUMES.double(), VOLUMES.double()[..., 1:]):
        read_network(predictor, volumes)
    assert len(readings) == 2


def test_another_predictor_of_the_same_network_is_read_for_itself(readings: list[Predictor]) -> None:
    predictor = predictor_of(nn.ReLU())
    other = TorchModule().loaded(predictor.module, predictor.recipe, offset=60.0)
    graphs = [read_network(one, VOLUMES).fused for one in (predictor, other)]
    first, second = (graph(VOLUMES) for graph in graphs)
    torch.testing.assert_close(second, first + 60)
    assert len(readings) == 2
