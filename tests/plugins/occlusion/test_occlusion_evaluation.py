"""How hidden places are evaluated: when by the incremental engine, when by plain passes, and what is told."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from captum.attr import Occlusion as CaptumOcclusion
from torch import Tensor

from interpbench import Predictor
from interpbench.predictor.passes import counted_passes
from interpbench.testing import toy_brains
from interpbench.testing.snapshot import Snapshot
from interpbench_occlusion.boxes import BoxGrid
from interpbench_occlusion.engine import Engine
from interpbench_occlusion.evaluation import Evaluation
from interpbench_occlusion.explainer import Occlusion
from interpbench_occlusion.guard import LEAST
from interpbench_occlusion.replacement import Place

SHAPE = (12, 14, 10)
VOLUMES = toy_brains(3, SHAPE)
OCCLUSION = Occlusion(box=(4, 5, 4), stride=(4, 4, 3))
PLACES: list[Place] = [*BoxGrid(SHAPE, (4, 5, 4), (4, 4, 3)).boxes]


def evaluation(predictor: Predictor, volume: Tensor = VOLUMES[0]) -> Evaluation:
    given = {"batch_size": 3, "memory": 2.0**30, "precision": "float32"}
    return Evaluation.of(predictor, volume, PLACES, lambda _: 0.0, **given)  # type: ignore[arg-type]


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_little_work_is_not_worth_reading_the_network(monkeypatch: pytest.MonkeyPatch, predictor_of: Any) -> None:
    monkeypatch.setattr("interpbench_occlusion.evaluation.program_of", None)
    assert evaluation(predictor_of()).engine is None


def test_by_the_engine_the_map_is_that_of_plain_passes(
    plain_map: Tensor, through_the_engine: list[int], predictor_of: Any
) -> None:
    effect = OCCLUSION.explain_with_extras(predictor_of(), VOLUMES)[1]["effect"]
    torch.testing.assert_close(effect, plain_map, atol=1e-5, rtol=0)
    assert len(through_the_engine) == len(VOLUMES)


@pytest.mark.parametrize(("box", "stride"), [(3, 2), ((4, 3, 5), (3, 2, 4)), ((12, 14, 3), (1, 2, 3)), (6, 5)])
def test_by_the_engine_the_map_agrees_with_captum(
    box: object, stride: object, through_the_engine: list[int], predictor_of: Any
) -> None:
    predictor = predictor_of()
    window, step = ((1, *edges) if isinstance(edges, tuple) else (1, edges, edges, edges) for edges in (box, stride))
    theirs = CaptumOcclusion(predictor.predict).attribute(VOLUMES[:1], window, strides=step, baselines=0)[:, 0]
    ours = Occlusion(box=box, stride=stride).explain_with_extras(predictor, VOLUMES[:1])[1]["effect"]  # type: ignore[arg-type]
    assert through_the_engine
    assert float((ours - theirs).abs().max()) <= 1e-5 * float(theirs.max() - theirs.min())


@pytest.mark.slow
def test_by_the_engine_a_map_does_not_depend_on_the_batch_and_nothing_is_touched(
    through_the_engine: list[int], predictor_of: Any, fresh: Any
) -> None:
    predictor, volumes = predictor_of(), torch.cat([torch.zeros(1, 1, *SHAPE), VOLUMES])  # one without a brain
    before = Snapshot(predictor, volumes)
    together = fresh().explain(predictor, volumes)
    again = fresh().explain(predictor, volumes.flip(0)).flip(0)
    alone = torch.cat([fresh().explain(predictor, volume[None]) for volume in volumes])
    assert torch.equal(together, again)
    assert torch.equal(together, alone)
    assert not together[0].any()
    assert not before.changes()
    assert through_the_engine


def test_regions_go_through_the_engine_as_well(through_the_engine: list[int], predictor_of: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    regions: list[Place] = []
    for place in PLACES[::3]:
        region = torch.zeros(SHAPE, dtype=torch.bool)
        region[place] = torch.rand(region[place].shape, generator=generator) < 0.5
        regions.append(region)
    predictor = predictor_of()
    told = {"batch_size": 3, "memory": 2.0**30, "precision": "float32"}
    known = Evaluation.of(predictor, VOLUMES[0], regions, lambda _: 1.0, **told)  # type: ignore[arg-type]
    found = known.effects(VOLUMES[0], regions, lambda _: 1.0)
    with torch.no_grad():
        clean = predictor.predict(VOLUMES[:1])
        expected = [clean - predictor.predict(VOLUMES[:1].masked_fill(region, 1.0)) for region in regions]
    torch.testing.assert_close(found, torch.cat(expected).double(), atol=1e-5, rtol=0)
    assert through_the_engine == [len(regions)]


def by_value(features: Tensor) -> Tensor:
    return features.relu() if float(features.sum()) > -1e9 else features


def through_numpy(features: Tensor) -> Tensor:
    return torch.from_numpy(features.detach().numpy()).relu()


def through_a_view(features: Tensor) -> Tensor:
    """What is written into a part of the features is lost to who reads them by name."""
    features[:, :2].mul_(-3.0).add_(1.0)
    return features.relu()


@pytest.mark.parametrize("between", [by_value, through_numpy, through_a_view])
def test_what_cannot_be_followed_takes_plain_passes_and_says_so_once(
    between: Callable[[Tensor], Tensor],
    through_the_engine: list[int],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    predictor_of: Any,
    fresh: Any,
) -> None:
    predictor = predictor_of(between)
    effect = fresh().explain_with_extras(predictor, VOLUMES)[1]["effect"]
    (message,) = warnings_in(caplog)
    assert message.startswith("occlusion uses full passes, which are slower: ")
    assert "\n" not in message
    assert not capfd.readouterr().err  # torch itself would print the network
    assert len(through_the_engine) <= 1
    grid = BoxGrid(SHAPE, (4, 5, 4), (4, 4, 3))
    with torch.no_grad():
        hidden = VOLUMES[:1].repeat(len(PLACES), 1, 1, 1, 1)
        for copied, place in zip(hidden[:, 0], PLACES, strict=True):
            copied[place] = 0.0
        expected = grid.average(predictor.predict(VOLUMES[:1]) - predictor.predict(hidden))
    torch.testing.assert_close(effect[0], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("wrong", [1.0, float("nan")])
def test_an_engine_that_says_otherwise_is_not_used(
    wrong: float,
    plain_map: Tensor,
    through_the_engine: list[int],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    predictor_of: Any,
    fresh: Any,
) -> None:
    watched = Engine.predictions

    def otherwise(self: Engine, *given: object) -> tuple[float, Tensor]:
        clean, found = watched(self, *given)  # type: ignore[arg-type]
        return clean, found + wrong

    monkeypatch.setattr(Engine, "predictions", otherwise)
    effect = fresh().explain_with_extras(predictor_of(), VOLUMES)[1]["effect"]
    torch.testing.assert_close(effect, plain_map, atol=1e-5, rtol=0)
    (message,) = warnings_in(caplog)
    assert "in parts the network predicts" in message
    assert len(through_the_engine) == 1


def test_an_engine_that_fails_is_not_used(
    plain_map: Tensor,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    through_the_engine: list[int],
    predictor_of: Any,
    fresh: Any,
) -> None:
    def failing(*given: object) -> None:
        raise NotImplementedError("no such operation\nand more about it")

    monkeypatch.setattr(Engine, "predictions", failing)
    effect = fresh().explain_with_extras(predictor_of(), VOLUMES)[1]["effect"]
    torch.testing.assert_close(effect, plain_map, atol=1e-5, rtol=0)
    (message,) = warnings_in(caplog)
    assert message.endswith("the network cannot be evaluated in parts (no such operation)")


def doubled(predictor: Predictor) -> None:
    predictor.module.load_state_dict({name: 2 * one for name, one in predictor.module.state_dict().items()})


def shifted(predictor: Predictor) -> None:
    predictor.module.get_parameter("second.bias").data += 0.5


def exchanged(predictor: Predictor) -> None:
    """The same values at other places: no sum tells."""
    weight = predictor.module.get_parameter("first.weight")
    weight.data = weight.data.flip(0)


@pytest.mark.parametrize("change", [doubled, shifted, exchanged])
def test_weights_that_changed_in_place_are_noticed(
    change: Callable[[Predictor], None], through_the_engine: list[int], predictor_of: Any, fresh: Any
) -> None:
    occlusion, predictor = fresh(), predictor_of()
    first = occlusion.explain(predictor, VOLUMES[:1])
    known = evaluation(predictor)
    assert known.fits(predictor, VOLUMES[1])
    change(predictor)
    assert not known.fits(predictor, VOLUMES[1])
    second = occlusion.explain(predictor, VOLUMES[:1])
    assert not torch.allclose(first, second, atol=1e-3)
    torch.testing.assert_close(second, fresh().explain(predictor, VOLUMES[:1]), atol=0, rtol=0)


def test_another_predictor_or_other_edges_are_evaluated_anew(through_the_engine: list[int], predictor_of: Any) -> None:
    predictor = predictor_of()
    known = evaluation(predictor)
    assert not known.fits(copy.copy(predictor), VOLUMES[0])
    assert not known.fits(predictor, VOLUMES[0, :, 1:])
    assert known.fits(predictor, VOLUMES[0] + 1)


def test_a_network_is_read_once_for_many_subjects(
    through_the_engine: list[int], monkeypatch: pytest.MonkeyPatch, predictor_of: Any, fresh: Any
) -> None:
    occlusion, predictor = fresh(), predictor_of()
    occlusion.explain(predictor, VOLUMES)
    monkeypatch.setattr("interpbench_occlusion.evaluation.program_of", None)
    occlusion.explain(predictor, VOLUMES)


def test_passes_are_counted_by_the_work_that_they_are(through_the_engine: list[int], predictor_of: Any) -> None:
    predictor = predictor_of()
    occlusion = Occlusion(box=3, stride=2)
    with counted_passes(predictor.module) as first:
        occlusion.explain(predictor, VOLUMES[:1])
    with counted_passes(predictor.module) as second:
        occlusion.explain(predictor, VOLUMES[:1])
    boxes = through_the_engine[-1]
    assert len(through_the_engine) == 2
    assert 1 < second.forward < boxes / 2
    tried = first.forward - second.forward  # of the first volume more places are asked plainly as well, and itself
    assert tried == LEAST + 1
