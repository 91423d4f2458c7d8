"""The engine's answers are believed only where plain passes say the same, as a share of the effects' range."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from interpbench import Predictor, Recipe, explain
from interpbench.files.atomic import read_json
from interpbench.host.ask_explainer import Explained, explained
from interpbench.predictor.passes import counted_passes
from interpbench.testing import toy_brains
from interpbench_networks.torch_module import TorchModule
from interpbench_occlusion.engine import Engine
from interpbench_occlusion.explainer import ERROR, Occlusion
from interpbench_occlusion.guard import BEYOND, Guard
from interpbench_occlusion.replacement import Place, hull

SHAPE = (12, 14, 10)
VOLUMES = toy_brains(4, SHAPE)
Change = Callable[[float, Tensor, list[Place]], tuple[float, Tensor]]


class Small(nn.Module):
    """Two stages, and a readout that weighs each place otherwise."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.second = nn.Conv3d(1, 4, 3, padding=1), nn.Conv3d(4, 4, 3, padding=1)
            self.last = nn.Linear(4 * 6 * 7 * 5, 1)

    def forward(self, volumes: Tensor) -> Tensor:
        features = nn.functional.max_pool3d(self.first(volumes).relu(), 2)
        return 20 * self.last(self.second(features).relu().flatten(1))


def predictor_of() -> Predictor:
    """Predictions around 60, of which hiding something changes at most one or two."""
    return TorchModule().loaded(Small(), Recipe(shape=SHAPE, voxel_size=4.0), offset=60.0)


def fresh(**given: object) -> Occlusion:
    return Occlusion(box=(4, 5, 4), stride=(3, 3, 3), **given)  # type: ignore[arg-type]


PLAIN = fresh().explain(predictor_of(), VOLUMES)  # such small volumes get plain passes


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], None]:
    """Even toys go through the engine; `engine(change)` changes what it says."""
    as_it_is = Engine.predictions
    monkeypatch.setattr("interpbench_occlusion.evaluation.WORTH_TRACING", 0)
    monkeypatch.setattr("interpbench_occlusion.route.SECONDS_A_CALL", 0.0)

    def changed_by(change: Change) -> None:
        def predictions(self: Engine, route: object, volume: Tensor, places: list[Place], fill: object) -> object:
            return change(*as_it_is(self, route, volume, places, fill), places)  # type: ignore[arg-type]

        monkeypatch.setattr(Engine, "predictions", predictions)

    return changed_by


def everywhere(by: float) -> Change:
    return lambda clean, hidden, places: (clean, hidden + by)


def the_clean_one(by: float) -> Change:
    return lambda clean, hidden, places: (clean + by, hidden)


def where(chosen: Callable[[Tensor, list[Place]], Tensor], by: float) -> Change:
    return lambda clean, hidden, places: (clean, torch.where(chosen(clean - hidden, places), hidden + by, hidden))


def at_the_end(axis: int) -> Callable[[Tensor, list[Place]], Tensor]:
    return lambda effects, places: torch.tensor([hull(place)[axis][1] == SHAPE[axis] for place in places])


def at_the_start(axis: int) -> Callable[[Tensor, list[Place]], Tensor]:
    return lambda effects, places: torch.tensor([hull(place)[axis][0] == 0 for place in places])


def smallest(effects: Tensor, places: list[Place]) -> Tensor:
    sizes = torch.tensor([math.prod(stop - start for start, stop in hull(place)) for place in places])
    return sizes == sizes.min()


def largest(effects: Tensor, places: list[Place]) -> Tensor:
    return effects.abs() == effects.abs().max()


def the_third(effects: Tensor, places: list[Place]) -> Tensor:
    return torch.arange(len(places)) == 2


SMALL = 3e-3  # less than 1e-4 of the predictions, more than 1e-3 of the effects' range

FAULTS: dict[str, Change] = {
    "a little, everywhere": everywhere(SMALL),
    "a little, of the volume as it is": the_clean_one(SMALL),
    "where the effect is largest": where(largest, SMALL),
    "of the smallest parts": where(smallest, SMALL),
    **{f"at the end of axis {axis}": where(at_the_end(axis), SMALL) for axis in range(3)},
    **{f"at the start of axis {axis}": where(at_the_start(axis), SMALL) for axis in range(3)},
    "far off, at one place": where(the_third, 500.0),
    "no number, at one place": where(the_third, math.nan),
    "infinite, at one place": where(the_third, math.inf),
    "no number, everywhere": everywhere(math.nan),
    "no number, of the volume as it is": the_clean_one(math.nan),
}


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("kind", FAULTS)
def test_an_engine_that_is_wrong_somewhere_is_given_up_and_it_is_said(
    kind: str, engine: Callable[[Change], None], caplog: pytest.LogCaptureFixture
) -> None:
    engine(FAULTS[kind])
    occlusion = fresh()
    map = occlusion.explain(predictor_of(), VOLUMES[:1])
    torch.testing.assert_close(map, PLAIN[:1], atol=1e-4, rtol=0)
    (message,) = said(caplog)
    difference = (
        r"in parts the network predicts [-\w.+]+ for a hidden position instead of [-\w.+]+; the range of effects"
    )
    assert re.match(f"occlusion uses full passes, which are slower: {difference}", message)
    (note,) = occlusion.map_warnings()
    assert re.match(f"occlusion used full passes: {difference}", note)


def test_an_engine_that_is_right_is_believed(
    engine: Callable[[Change], None], caplog: pytest.LogCaptureFixture
) -> None:
    engine(everywhere(0.0))
    occlusion = fresh()
    torch.testing.assert_close(occlusion.explain(predictor_of(), VOLUMES), PLAIN, atol=1e-4, rtol=0)
    assert occlusion.map_warnings() == ()
    assert occlusion.map_figures() == {}
    assert not said(caplog)


@pytest.mark.parametrize("kind", ["a little, everywhere", "no number, at one place", "far off, at one place"])
def test_an_engine_that_turns_wrong_later_is_given_up_and_the_maps_before_are_named(
    kind: str, engine: Callable[[Change], None], caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []

    def later(clean: float, hidden: Tensor, places: list[Place]) -> tuple[float, Tensor]:
        asked.append(len(places))
        return FAULTS[kind](clean, hidden, places) if len(asked) == 3 else (clean, hidden)

    engine(later)
    torch.testing.assert_close(fresh().explain(predictor_of(), VOLUMES), PLAIN, atol=1e-4, rtol=0)
    assert len(asked) == 3  # the fourth volume was not asked of it
    (message,) = said(caplog)
    assert message.endswith("; 2 earlier maps were made in parts: make them again")


def test_a_volume_without_any_effect_teaches_nothing(
    engine: Callable[[Change], None], caplog: pytest.LogCaptureFixture
) -> None:
    engine(everywhere(0.0))
    map = fresh().explain(predictor_of(), torch.cat([torch.zeros(1, 1, *SHAPE), VOLUMES]))
    assert not map[0].any()
    torch.testing.assert_close(map[1:], PLAIN, atol=1e-4, rtol=0)
    assert not said(caplog)


def test_few_plain_passes_are_spent_on_the_first_volume_and_fewer_later(engine: Callable[[Change], None]) -> None:
    engine(everywhere(0.0))
    occlusion, predictor = fresh(), predictor_of()
    spent = []
    for volume in VOLUMES:
        with counted_passes(predictor.module) as passes:
            occlusion.explain(predictor, volume[None])
        spent.append(passes.forward)
    assert spent[0] - min(spent) in (3, 4)
    assert max(spent[1:]) - min(spent[1:]) <= 1


@pytest.mark.parametrize("places", [1, 2, 3, 4, 5, 40, 4000])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_trying_never_costs_more_than_it_saves(places: int, share: float) -> None:
    guard = Guard(precision="float32")
    guard.budget(share * places, places)
    assert 1 <= guard.number <= max(3, 0.05 * share * places + 1)
    assert guard.number == 1 or share * places + guard.number + 2 <= places


def test_an_effect_far_beyond_the_others_is_believed_where_a_plain_pass_says_the_same() -> None:
    guard = Guard(precision="float32")
    guard.learn(torch.tensor([0.5, -1.0, math.nan]))
    effects = torch.tensor([0.3, 1.1 * BEYOND, -0.9 * BEYOND, math.nan, -math.inf, 2.0])
    assert set(guard.implausible(effects, tried=[0])) == {1, 3, 4}
    assert guard.difference(torch.tensor([math.nan, 70.0]), torch.tensor([math.nan, 70.0])) is None
    told = guard.difference(torch.tensor([1.0, math.nan]), torch.tensor([1.0, 70.0]))
    assert told is not None and told.startswith("nan for a hidden position instead of 70; the range of effects is ")


def test_what_is_told_and_measured_belongs_to_the_map_that_was_made_last(engine: Callable[[Change], None]) -> None:
    engine(FAULTS["a little, everywhere"])
    occlusion, predictor = fresh(), predictor_of()
    labels = ["00", "01"]
    first, second = explained(occlusion, predictor, VOLUMES[:2], labels, "occlusion", 0)
    assert isinstance(first, Explained)
    assert isinstance(second, Explained)
    assert "used full passes" in first.notes[0]
    assert second.notes == ()


def test_subjects_share_what_was_read_of_the_network(
    engine: Callable[[Change], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is explained by a copy with its own seed."""
    engine(everywhere(0.0))
    occlusion, predictor = fresh(), predictor_of()
    explained(occlusion, predictor, VOLUMES[:1], ["00"], "occlusion", 0)
    monkeypatch.setattr("interpbench_occlusion.evaluation.program_of", None)
    (found,) = explained(occlusion, predictor, VOLUMES[1:2], ["01"], "occlusion", 0)
    assert isinstance(found, Explained)


def test_in_bfloat16_the_engine_is_tried_in_bfloat16(
    engine: Callable[[Change], None], caplog: pytest.LogCaptureFixture
) -> None:
    engine(everywhere(0.0))
    right = fresh(precision="bfloat16").explain(predictor_of(), VOLUMES[:1])
    assert "plain passes" not in caplog.text
    engine(everywhere(3.0))
    map = fresh(precision="bfloat16").explain(predictor_of(), VOLUMES[:1])
    assert "occlusion uses full passes, which are slower: in parts the network predicts" in caplog.text
    assert float((map - right).abs().max()) < 1.0


@pytest.mark.parametrize("doubtful", [0.0, 10.0])
def test_the_error_of_bfloat16_is_a_share_of_the_range_and_warned_of_where_it_is_large(
    doubtful: float, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interpbench_occlusion.evaluation.DOUBTFUL", doubtful)
    occlusion = fresh(precision="bfloat16")
    occlusion.explain(predictor_of(), VOLUMES[:1])
    share = occlusion.map_figures()[ERROR]
    assert 1e-4 < share < 1
    assert bool(occlusion.map_warnings()) == (share > doubtful) == bool(said(caplog))
    for note in occlusion.map_warnings():
        assert f"{share:.1%} of their range" in note
        assert note.endswith("precision=float32 has no such error")


def test_the_error_of_bfloat16_stands_in_the_sidecar(toy_cohort: Path, toy_model: Path, tmp_path: Path) -> None:
    paths = explain(
        toy_cohort,
        toy_model,
        tmp_path / "maps",
        method="occlusion",
        device="cpu",
        participants=["00", "01"],
        options={"precision": "bfloat16", "box": 6, "stride": 6},
    )
    for path in paths:
        record = read_json(path.with_name(path.name.replace(".nii.gz", ".json")))
        share = record["measured"][ERROR]
        assert share >= 0
        assert any("effects differ from those of float32" in one for one in record["warnings"]) == (share > 0.05)
