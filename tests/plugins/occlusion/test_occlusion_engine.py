"""The incremental engine over all places of a volume: any place, any size of batch, any memory, one answer."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor, nn

from interpbench import Predictor, Recipe
from interpbench.kit import read_network
from interpbench.testing import toy_brain, toy_brains
from interpbench_networks.torch_module import TorchModule
from interpbench_occlusion.boxes import BoxGrid
from interpbench_occlusion.engine import Engine
from interpbench_occlusion.incremental import Incremental
from interpbench_occlusion.reading import program_of
from interpbench_occlusion.replacement import Fill, Place, hidden_box, hull, replacement_values, with_place_hidden
from interpbench_occlusion.route import Route, whole_cost
from interpbench_occlusion.steps import Program

SHAPE = (12, 14, 10)
NECK = 9  # of 12 steps: all that can be done in part
VOLUME = toy_brains(1, SHAPE)[0]
AMPLE = 2.0**30  # bytes


class Small(nn.Module):
    """Two stages with a shortcut, and a nonlinear readout that weighs each place otherwise."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first = nn.Conv3d(1, 4, 3, padding=1)
            self.norm = nn.BatchNorm3d(4)
            self.second = nn.Conv3d(4, 4, 3, padding=1)
            self.third = nn.Conv3d(4, 6, 3, stride=2, padding=1)
            self.last = nn.Linear(6 * 3 * 4 * 3, 1)

    def forward(self, volumes: Tensor) -> Tensor:
        features = self.norm(self.first(volumes)).relu()
        features = nn.functional.max_pool3d(self.second(features) + features, 2).relu()
        return self.last(self.third(features).relu().flatten(1).tanh())


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return TorchModule().loaded(Small(), Recipe(shape=SHAPE, voxel_size=4.0))


@pytest.fixture(scope="module")
def program(predictor: Predictor) -> Program:
    found = program_of(read_network(predictor, VOLUME[None]).network)
    assert [step.local for step in found.steps].index(False) == NECK
    return found


def engine_of(program: Program, batch_size: int = 3, memory: float = AMPLE) -> Engine:
    return Engine(program=program, batch_size=batch_size, memory=memory)


def asked(predictor: Predictor, places: list[Place], fill: Fill) -> Tensor:
    """The plain answer."""
    hidden = torch.stack([with_place_hidden(VOLUME[0], place, fill) for place in places])
    with torch.no_grad():
        return predictor.predict(hidden[:, None]).double()


def box(*spans: tuple[int, int]) -> Place:
    first, second, third = (slice(*span) for span in spans)
    return first, second, third


def region(seed: int, share: float) -> Tensor:
    """Voxels here and there."""
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed)) < share


CORNERS = [
    box((0, 3), (0, 4), (0, 2)),
    box((9, 12), (0, 4), (0, 2)),
    box((0, 3), (10, 14), (8, 10)),
    box((9, 12), (10, 14), (8, 10)),
]
VOXELS = [box((0, 1), (0, 1), (0, 1)), box((5, 6), (7, 8), (4, 5)), box((11, 12), (13, 14), (9, 10))]
SLABS = [box((0, 12), (6, 7), (0, 10)), box((3, 9), (0, 14), (0, 10)), box((2, 3), (3, 4), (0, 10))]
REGIONS = [region(0, 0.5), region(1, 0.002), toy_brain(SHAPE), ~toy_brain(SHAPE), region(2, 0.05) & toy_brain(SHAPE)]


@pytest.mark.parametrize(
    "places",
    [
        CORNERS,
        VOXELS,
        SLABS,
        REGIONS,
        [box((0, 12), (0, 14), (0, 10))],
        BoxGrid(SHAPE, (5, 4, 3), (5, 4, 3)).boxes,  # along no axis does the last one fit
        [*CORNERS, *REGIONS, *VOXELS],  # of all sizes, one after the other
    ],
    ids=["in the corners", "of one voxel", "from end to end", "regions", "the whole volume", "a grid", "mixed"],
)
@pytest.mark.parametrize("neck", [0, 1, 3, NECK])
def test_wherever_it_lies_a_place_is_hidden_as_in_a_plain_pass(
    predictor: Predictor, program: Program, places: list[Place], neck: int
) -> None:
    _, found = engine_of(program).predictions(Route(program, neck), VOLUME, places, lambda _: 1.5)
    torch.testing.assert_close(found, asked(predictor, places, lambda _: 1.5), atol=1e-6, rtol=0)


@pytest.mark.parametrize("replacement", ["zero", "image_mean", "box_mean", "blur", "noise"])
def test_boxes_and_regions_are_filled_as_in_a_plain_pass(
    predictor: Predictor, program: Program, replacement: str
) -> None:
    fill = replacement_values(replacement, VOLUME[0], toy_brain(SHAPE), sigma=1.5, seed=3)
    places = [*CORNERS, *REGIONS]
    _, found = engine_of(program).predictions(Route(program, NECK), VOLUME, places, fill)
    torch.testing.assert_close(found, asked(predictor, places, fill), atol=1e-6, rtol=0)


@pytest.mark.parametrize("place", [CORNERS[3], VOXELS[1], REGIONS[0], REGIONS[1]])
def test_what_is_put_in_is_the_plain_copys_cut_out(place: Place) -> None:
    fill = replacement_values("noise", VOLUME[0], toy_brain(SHAPE), sigma=1.5, seed=3)
    around = tuple(slice(*span) for span in hull(place))
    assert torch.equal(hidden_box(VOLUME[0], place, fill), with_place_hidden(VOLUME[0], place, fill)[around])


def test_no_smaller_box_holds_a_region() -> None:
    for place in REGIONS:
        around = torch.zeros(SHAPE, dtype=torch.bool)
        around[tuple(slice(*span) for span in hull(place))] = True
        assert not (place & ~around).any()
        for axis, (start, stop) in enumerate(hull(place)):
            assert place.select(axis, start).any()
            assert place.select(axis, stop - 1).any()


def same(place: Place) -> Tensor:
    return VOLUME[0][place]


@pytest.mark.parametrize("neck", [0, 1, 3, NECK])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_what_changes_nothing_has_no_effect_at_all(program: Program, neck: int, batch_size: int) -> None:
    """Not even by rounding."""
    places = [*CORNERS, *VOXELS, *SLABS, *REGIONS]
    clean, found = engine_of(program, batch_size).predictions(Route(program, neck), VOLUME, places, same)
    assert found.tolist() == [clean] * len(places)


def test_not_even_where_a_part_is_rounded_otherwise_than_the_whole() -> None:
    """With so many channels oneDNN adds up a part in another order."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stages = [nn.Conv3d(before, after, 3, padding=1) for before, after in ((1, 128), (128, 128), (128, 1))]
    network = nn.Sequential(*stages, nn.AdaptiveAvgPool3d(1), nn.Flatten())
    predictor = TorchModule().loaded(network, Recipe(shape=SHAPE, voxel_size=4.0))
    program = program_of(read_network(predictor, VOLUME[None]).network)
    clean, found = engine_of(program).predictions(Route(program, 3), VOLUME, [*CORNERS, *VOXELS, *REGIONS], same)
    assert found.tolist() == [clean] * len(found)


@pytest.mark.parametrize("neck", [1, 3, NECK])
def test_the_answer_does_not_depend_on_how_many_go_at_once(program: Program, neck: int) -> None:
    grid = BoxGrid(SHAPE, (5, 4, 3), (4, 4, 3)).boxes
    first, *others = (
        engine_of(program, size).predictions(Route(program, neck), VOLUME, grid, lambda _: 0.0) for size in (1, 3, 8)
    )
    for clean, found in others:
        assert clean == first[0]
        torch.testing.assert_close(found, first[1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("memory", [20_000.0, 60_000.0])
def test_with_less_memory_more_is_worked_out_again_and_the_answer_is_the_same(
    program: Program, memory: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []

    class Watched(Incremental):
        def __init__(self, route: Route, *given: object) -> None:
            super().__init__(route, *given)  # type: ignore[arg-type]
            kept.append(sum(4 * one.numel() for name, one in self.clean.items() if name != program.volume))

    monkeypatch.setattr("interpbench_occlusion.engine.Incremental", Watched)
    grid = BoxGrid(SHAPE, (5, 4, 3), (4, 4, 3)).boxes
    route = Route(program, NECK)
    expected, found = (
        engine_of(program, memory=one).predictions(route, VOLUME, grid, lambda _: 0.0) for one in (AMPLE, memory)
    )
    torch.testing.assert_close(found[1], expected[1], atol=1e-6, rtol=0)
    assert found[0] == pytest.approx(expected[0], abs=1e-6)
    assert kept[1] < kept[0]
    assert kept[1] <= memory


def test_without_what_is_dropped_more_is_worked_out(program: Program) -> None:
    boxes = [hull(place) for place in BoxGrid(SHAPE, (5, 4, 3), (4, 4, 3)).boxes]
    routes = [Route(program, NECK)]
    while able := routes[-1].droppable(routes[-1].taken(boxes)):
        routes.append(routes[-1].without(able[0]))
        assert able[0] not in routes[-1].taken(boxes)
    costs = [route.cost(boxes, 1) for route in routes]
    assert len(costs) > 2
    assert costs == sorted(costs)
    assert routes[-1].operations(boxes) > routes[0].operations(boxes)


def test_where_even_the_least_does_not_fit_it_says_so_and_goes_on(
    predictor: Predictor, program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "interpbench"):
        _, found = engine_of(program, memory=1.0).predictions(Route(program, NECK), VOLUME, CORNERS, lambda _: 1.5)
    torch.testing.assert_close(found, asked(predictor, CORNERS, lambda _: 1.5), atol=1e-6, rtol=0)
    assert [record.message for record in caplog.records if "more than the option memory allows" in record.message]


def test_less_of_the_network_is_worked_out_for_a_smaller_box(program: Program) -> None:
    route = Route(program, NECK)
    shares = [route.operations([hull(box((4, 4 + edge), (4, 4 + edge), (4, 4 + edge)))]) for edge in (1, 3, 5)]
    assert 0 < shares[0] < shares[1] < shares[2] < 1
    assert route.operations([hull(box((0, 12), (0, 14), (0, 10)))]) == pytest.approx(1)


def test_the_way_is_the_one_that_costs_least(program: Program) -> None:
    boxes = [hull(place) for place in BoxGrid(SHAPE, (5, 4, 3), (4, 4, 3)).boxes]
    chosen = Route.cheapest(program, boxes, 8)
    ways = [Route(program, neck).cost(boxes, 8) for neck in (0, 1, 2, 3, NECK - 1, NECK)]
    assert chosen.cost(boxes, 8) == pytest.approx(min(ways))
    assert Route(program, 0).cost(boxes, 8) == pytest.approx(whole_cost(program, 8))


def test_where_plain_passes_cost_less_there_is_no_way(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    grid: list[Place] = [*BoxGrid(SHAPE, (5, 4, 3), (4, 4, 3)).boxes]
    monkeypatch.setattr("interpbench_occlusion.route.SECONDS_A_CALL", 1.0)
    assert engine_of(program, batch_size=8).route(grid) is None
    monkeypatch.setattr("interpbench_occlusion.route.SECONDS_A_CALL", 0.0)
    assert engine_of(program, batch_size=8).route(grid) is not None


def test_the_clean_volumes_prediction_is_the_predictors(predictor: Predictor, program: Program) -> None:
    clean, _ = engine_of(program).predictions(Route(program, NECK), VOLUME, CORNERS, lambda _: 0.0)
    assert clean == pytest.approx(float(predictor.predict(VOLUME[None])), abs=1e-6)
