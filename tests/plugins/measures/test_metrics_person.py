"""Whether a map follows its person: closed forms, scikit-learn in loops, and one map for all, which gains nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor

from interpbench import Case, Everyone, NotApplicable
from interpbench.comparison.one_measure import compare
from interpbench.comparison.statistics import interval
from interpbench.comparison.table import table_of
from interpbench.host.ask_metric import measured
from interpbench.testing import cube_predictor, toy_case
from interpbench_measures.localisation import auc, average_precision
from interpbench_measures.many_truths import ManyTruths, Ranking
from interpbench_measures.person import Person

SHAPE = (6, 7, 8)
LEVELS = [1, 2, 5, 10_000]  # of importance; fewer make more ties


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def brains(number: int, seed: int = 0) -> list[Tensor]:
    """Different ones, which have most of the box in common."""
    return [torch.rand(SHAPE, generator=drawn(seed + at)) < 0.97 for at in range(number)]


def blobs(number: int, seed: int = 0) -> list[Tensor]:
    """A truth of its own size for each person."""
    shares = np.random.default_rng(seed).uniform(0.02, 0.3, number)
    return [torch.rand(SHAPE, generator=drawn(100 + seed + at)) < share for at, share in enumerate(shares)]


def everyone(truths: Sequence[Tensor], maps: Sequence[Tensor | None], brain: Tensor) -> Everyone:
    """As a benchmark has it, worked out another way."""
    inside = {str(at): truth & brain for at, truth in enumerate(truths)}
    labels = [
        label for label, truth in inside.items() if maps[int(label)] is not None and 0 < truth.sum() < brain.sum()
    ]
    masses = [(maps[int(label)].abs() * brain).double() for label in labels]
    masses = [mass / mass.sum() for mass in masses if mass.sum() > 0]
    return Everyone(
        labels=tuple(labels),
        truth_of=inside.__getitem__,
        common_brain=brain,
        mean_importance=sum(masses, torch.zeros(SHAPE).double()) / max(1, len(masses)),
        mean_truth=sum(inside[label].double() for label in labels) / len(labels),
    )


def cases(
    truths: Sequence[Tensor], maps: Sequence[Tensor | None], brains: Sequence[Tensor] | None = None
) -> list[Case]:
    """A case for each person with a map."""
    brains = brains or [torch.ones(SHAPE, dtype=torch.bool)] * len(truths)
    known = everyone(truths, maps, torch.stack(list(brains)).all(dim=0))
    return [
        dataclasses.replace(
            toy_case(cube_predictor(SHAPE), map, truth=truths[at], everyone=known), subject=str(at), brain=brains[at]
        )
        for at, map in enumerate(maps)
        if map is not None
    ]


def figures(*given: object) -> dict[str, list[float]]:
    """Every figure of everybody."""
    found = [measured("person", Person(), case)[0] for case in cases(*given)]
    return {name: [one[name] for one in found] for name in found[0]}


# Many truths at once


@pytest.mark.parametrize("levels", LEVELS)
def test_many_truths_at_once_are_measured_as_one_by_one(levels: int) -> None:
    random = np.random.default_rng(levels)
    score = (random.integers(0, levels, 300) / levels).astype(np.float32)
    masks = [np.arange(300) < size for size in (1, 30, 150, 299)]
    ranking, truths = Ranking.of(score), ManyTruths.of(masks)
    assert ranking.aucs(truths) == pytest.approx([roc_auc_score(mask, score) for mask in masks], abs=1e-12)
    assert ranking.aucs(truths) == pytest.approx([auc(score, mask) for mask in masks], abs=1e-12)
    expected = [average_precision_score(mask, score) for mask in masks]
    assert ranking.average_precisions(truths) == pytest.approx(expected, abs=1e-12)
    assert expected == pytest.approx([average_precision(score, mask) for mask in masks], abs=1e-12)


# Closed forms


def places(*voxels: int) -> Tensor:
    found = torch.zeros(SHAPE, dtype=torch.bool)
    found.view(-1)[list(voxels)] = True
    return found


def test_perfect_maps_of_disjoint_truths_gain_one_half_and_what_the_others_lose() -> None:
    truths = [places(0, 1), places(2, 3), places(4, 5)]
    found = figures(truths, [truth.float() for truth in truths])
    number = truths[0].numel()
    others = 0.5 * (number - 4) / (number - 2)  # the two of the map are above; with all else there is a tie
    assert found["person_gain"] == pytest.approx([1 - others] * 3)
    assert found["person_rank"] == [1.0] * 3
    assert found["deviation_correlation"] == pytest.approx([1.0] * 3)
    assert found["person_precision_gain"] == pytest.approx([1 - 2 / number] * 3)


def test_maps_of_everything_but_the_own_truth_lose_as_much() -> None:
    truths = [places(0, 1), places(2, 3), places(4, 5)]
    right = figures(truths, [truth.float() for truth in truths])
    wrong = figures(truths, [(~truth).float() for truth in truths])
    assert wrong["person_gain"] == pytest.approx([-gain for gain in right["person_gain"]])
    assert wrong["person_rank"] == [0.0] * 3 and wrong["deviation_correlation"] == pytest.approx([-1.0] * 3)


def test_half_of_the_truth_gains_half_of_what_all_of_it_does() -> None:
    truths = [places(0, 1), places(2, 3), places(4, 5)]
    whole = figures(truths, [truth.float() for truth in truths])
    half = figures(truths, [places(0).float(), places(2).float(), places(4).float()])
    assert half["person_gain"] == pytest.approx([gain / 2 for gain in whole["person_gain"]], rel=0.01)
    assert half["person_rank"] == [1.0] * 3


def test_it_is_what_scikit_learn_says_in_loops() -> None:
    truths, maps, masks = blobs(5), [torch.rand(SHAPE, generator=drawn(at)) for at in range(5)], brains(5)
    common = torch.stack(masks).all(dim=0).numpy()
    found = figures(truths, maps, masks)
    for name, score in (("person_gain", roc_auc_score), ("person_precision_gain", average_precision_score)):
        table = [[score(truth.numpy()[common], map.numpy()[common]) for truth in truths] for map in maps]
        expected = [row[at] - np.mean(np.delete(row, at)) for at, row in enumerate(table)]
        assert found[name] == pytest.approx(expected, abs=1e-12)
        if score is roc_auc_score:
            ranks = [np.mean(np.delete(row, at) < row[at]) for at, row in enumerate(table)]
            assert found["person_rank"] == pytest.approx(ranks)
    shares = [map.double().numpy()[common] / map.double().numpy()[common].sum() for map in maps]
    inside = [truth.numpy()[common].astype(float) for truth in truths]
    expected = [
        np.corrcoef(share - np.mean(shares, axis=0), mask - np.mean(inside, axis=0))[0, 1]
        for share, mask in zip(shares, inside, strict=True)
    ]
    assert found["deviation_correlation"] == pytest.approx(expected, abs=1e-9)


# One map for everybody


@pytest.mark.parametrize("kind", ["noise", "ties", "how often each voxel is true", "flat", "nothing"])
@pytest.mark.parametrize("missing", [(), (1, 4)])
def test_one_map_for_everybody_gains_nothing_whatever_it_is(kind: str, missing: tuple[int, ...]) -> None:
    truths = [*blobs(8), torch.zeros(SHAPE, dtype=torch.bool), torch.ones(SHAPE, dtype=torch.bool)]
    noise = torch.rand(SHAPE, generator=drawn(7))
    map = {
        "noise": noise,
        "ties": (noise * 4).round(),
        "how often each voxel is true": torch.stack(truths[:8]).float().mean(dim=0),
        "flat": torch.ones(SHAPE),
        "nothing": torch.zeros(SHAPE),
    }[kind]
    maps = [None if at in missing else map for at in range(10)]
    masks = [*brains(8), torch.ones(SHAPE, dtype=torch.bool), torch.ones(SHAPE, dtype=torch.bool)]
    found = figures(truths, maps, masks)
    known = [gain for gain in found["person_gain"] if not math.isnan(gain)]
    assert len(known) == 8 - len(missing)  # the last two, whose truths are empty and everything, have none
    assert sum(known) == pytest.approx(0, abs=1e-13)
    assert np.nansum(found["person_precision_gain"]) == pytest.approx(0, abs=1e-13)
    assert np.nanmean(found["person_rank"]) == 0.5
    assert all(math.isnan(value) for value in found["deviation_correlation"])
    if kind == "noise":
        assert max(abs(gain) for gain in known) > 0.01


def test_the_mean_of_gains_that_cancel_out_is_written_as_0() -> None:
    rows = [
        {"participant_id": str(at), "method": "a", "measure": "gain", "value": value}
        for at, value in enumerate([0.1, 0.2, -0.3 + 2e-17])
    ]
    assert compare(table_of(rows).scores("gain"), "higher")["methods"]["a"]["mean"] == 0.0


# What personal maps gain


def test_the_truth_itself_gains_most_and_the_maps_of_other_people_nothing() -> None:
    truths, number = blobs(24), 24
    noisy = [truth + 3 * torch.randn(SHAPE, generator=drawn(at)) for at, truth in enumerate(truths)]
    noisy = [map - map.min() for map in noisy]
    perfect = figures(truths, [truth.float() for truth in truths])
    own = figures(truths, noisy)
    shifted = [figures(truths, noisy[by:] + noisy[:by]) for by in range(1, number)]  # everybody has another one's map
    for name, chance in (("person_gain", 0.0), ("person_rank", 0.5), ("deviation_correlation", 0.0)):
        assert np.mean(perfect[name]) > np.mean(own[name]) > chance
        intervals = [interval(one[name], resamples=999) for one in shifted]
        assert np.mean([low < chance < high for low, high in intervals]) > 0.8
        assert max(np.mean(one[name]) for one in shifted) < np.mean(own[name])
    assert perfect["person_rank"] == [1.0] * number
    every = [own, *shifted]
    assert np.mean([one["person_gain"] for one in every]) == pytest.approx(0, abs=1e-13)
    assert np.mean([one["person_rank"] for one in every]) == pytest.approx(0.5, abs=1e-13)


def test_a_louder_map_is_no_deviation() -> None:
    truths, maps = blobs(4), [torch.rand(SHAPE, generator=drawn(at)) for at in range(4)]
    louder = figures(truths, [map * 2.0 ** (3 * at) for at, map in enumerate(maps)])
    for name, values in figures(truths, maps).items():
        assert louder[name] == pytest.approx(values, abs=1e-7)


# Where there is nothing to say


def reasons(case: Case) -> set[str]:
    return set(measured("person", Person(), case)[1].values())


def test_why_nobody_can_be_compared_is_said() -> None:
    first, *_ = cases(blobs(3), [torch.rand(SHAPE)] * 3)
    alone = dataclasses.replace(first, everyone=None, alone="the images share no space")
    assert reasons(alone) == {"the images share no space"}
    assert reasons(dataclasses.replace(alone, alone="")) == {"nothing is known of other subjects"}
    assert reasons(dataclasses.replace(first, truth=None)) == {"no ground truth of this subject is known"}
    for truth, where in ((torch.zeros(SHAPE).bool(), "no voxel of"), (torch.ones(SHAPE).bool(), "all of")):
        (why,) = reasons(dataclasses.replace(first, truth=truth))
        assert why == f"this subject's ground truth is {where} the brain that all subjects share"


def test_a_template_deviates_nowhere_and_a_map_of_zeros_has_no_share() -> None:
    truths, map = blobs(4), torch.rand(SHAPE, generator=drawn(0))
    first, *_ = cases(truths, [map] * 4)
    assert reasons(first) == {"the map does not differ from the mean map of all subjects"}
    *_, last = cases(truths, [map, map, 2 * map, torch.zeros(SHAPE)])
    values, why = measured("person", Person(), last)
    assert why == {"deviation_correlation": "the map is zero in the brain that all subjects share"}
    assert values["person_gain"] == 0.0 and values["person_rank"] == 0.5


def test_a_truth_like_the_mean_truth_has_no_deviation_to_follow() -> None:
    truth = places(3, 4)
    first, *_ = cases([truth] * 3, [torch.rand(SHAPE, generator=drawn(at)) for at in range(3)])
    values = Person().measure(first)
    assert isinstance(values["deviation_correlation"], NotApplicable) and values["person_gain"] == 0.0


def test_somebody_who_is_not_in_the_sample_is_compared_with_all_of_it() -> None:
    truths, maps = blobs(4), [torch.rand(SHAPE, generator=drawn(at)) for at in range(4)]
    first, *_ = cases(truths[1:], maps[1:])
    stranger = dataclasses.replace(first, subject="9", truth=truths[0], map=maps[0])
    areas = [roc_auc_score(truth.ravel(), maps[0].ravel()) for truth in truths]
    gain = Person().measure(stranger)["person_gain"]
    assert gain == pytest.approx(areas[0] - np.mean(areas[1:]))
