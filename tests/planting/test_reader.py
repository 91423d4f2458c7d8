"""The linear reader against scikit-learn, the blocks that it reads, and the strength that it sets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from interpbench.planting.parcels import (
    BLOCK,
    around,
    blocks_of,
    common_keys,
    filled,
    labels_of,
    matrix_of,
    share_space,
)
from interpbench.planting.reader import folds_of, read, scales_of
from interpbench.planting.strength import KNOTS, between, rounded_down, strength_for
from interpbench.planting.tissue import Tissue


def made_up(people: int = 60, features: int = 200, effect: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    target = random.standard_normal(people)
    found = random.standard_normal((people, features)) + 3
    found[:, :10] += effect * target[:, None]
    return found, target


def test_predictions_are_those_of_scikit_learn() -> None:
    features, target = made_up()
    folds = folds_of(len(target), 0)
    found = read(features, target, folds)
    expected = np.empty_like(target)
    for fold, penalty in enumerate(found.penalties):
        train, test = folds != fold, folds == fold
        expected[test] = Ridge(alpha=penalty).fit(features[train], target[train]).predict(features[test])
    np.testing.assert_allclose(found.predictions, expected, atol=1e-8)
    assert found.r2 == pytest.approx(1 - ((target - expected) ** 2).sum() / ((target - target.mean()) ** 2).sum())


def test_the_penalty_is_the_one_with_the_smallest_gcv() -> None:
    features, target = made_up()
    found = read(features, target, np.r_[np.zeros(20, int), np.ones(40, int)])
    some, aim = features[20:] - features[20:].mean(0), target[20:] - target[20:].mean()
    scale = np.trace(some @ some.T) / 40

    def gcv(penalty: float) -> float:
        hat = some @ np.linalg.solve(some.T @ some + penalty * np.eye(some.shape[1]), some.T) + 1 / 40
        return float(((aim - hat @ aim) ** 2).sum() / np.trace(np.eye(40) - hat) ** 2)

    penalties = scale * np.logspace(-4, 4, 33)
    assert found.penalties[0] == pytest.approx(min(penalties, key=gcv))


def test_noise_explains_next_to_nothing_and_signal_much() -> None:
    noise, target = made_up(effect=0.0)
    signal, _ = made_up(effect=2.0)
    folds = folds_of(len(target), 0)
    assert read(noise, target, folds).r2 < 0.1 < 0.8 < read(signal, target, folds).r2


def test_folds_are_even_and_follow_from_the_seed() -> None:
    assert sorted(np.bincount(folds_of(57, 1))) == [5] * 3 + [6] * 7
    assert np.array_equal(folds_of(57, 1), folds_of(57, 1)) and not np.array_equal(folds_of(57, 1), folds_of(57, 2))


def test_features_that_hardly_vary_are_not_blown_up() -> None:
    features = np.random.default_rng(0).standard_normal((50, 5)) * [1, 1, 1, 1e-9, 0]
    scales = scales_of(features)
    assert scales[3] == scales[4] == pytest.approx(0.1 * np.median(features[:, :4].std(0)))


def test_a_block_is_the_mean_of_its_voxels(tissue: Tissue) -> None:
    parcels = blocks_of(tissue)
    means = parcels.means(tissue.values, tissue)
    places = (tissue.affine[:3, :3] @ np.indices(tissue.brain.shape).reshape(3, -1)).T + tissue.affine[:3, 3]
    index = np.floor(places / BLOCK + 1e-6).astype(int)
    inside = np.where(tissue.brain, tissue.values, 0).ravel() / np.median(tissue.values[tissue.brain])
    expected = sorted(
        float(inside[(index == one).all(axis=1)].mean())
        for one in np.unique(index[tissue.brain.ravel()], axis=0)
    )  # fmt: skip
    np.testing.assert_allclose(sorted(means), expected, rtol=1e-5)


def test_blocks_of_one_place_have_one_key_whatever_the_grid(make_head: Callable[..., Tissue]) -> None:
    one, other = make_head(np.diag([2.0, 2.0, 2.0, 1.0])), make_head(np.diag([-1.7, 1.9, 2.2, 1.0]))
    keys = [filled(blocks_of(some)) for some in (one, other)]
    assert share_space(keys) and len(np.intersect1d(*keys)) > 0.8 * len(keys[0])
    rows = [(blocks_of(some).keys, blocks_of(some).means(some.values, some)) for some in (one, other)]
    first, second = matrix_of(common_keys(keys), rows)
    assert np.corrcoef(first, second)[0, 1] > 0.7


def test_brains_that_lie_apart_share_no_space(plain: Tissue) -> None:
    moved = plain.affine.copy()
    keys = []
    for number in range(4):
        moved[:3, 3] = plain.affine[:3, 3] + [25.0 * number, 0, 9.0 * number]
        keys.append(filled(blocks_of(Tissue(plain.values, plain.brain, moved.copy(), 0.0, 0.0))))
    assert not share_space(keys)


def test_blocks_around_others_are_their_neighbours(plain: Tissue) -> None:
    parcels = blocks_of(plain)
    one = np.zeros_like(plain.brain)
    one[13, 12, 11] = True
    touched = parcels.touched(one, plain.brain)
    assert len(touched) == 1 and len(around(touched)) == 27 and touched[0] in around(touched)


def test_labels_are_parcels_too(plain: Tissue) -> None:
    labels = np.indices(plain.brain.shape)[0] // 6
    parcels = labels_of(plain, labels)
    means = parcels.means(plain.values, plain)
    assert list(parcels.keys) == sorted(set(labels[plain.brain]))
    inside = plain.brain & (labels == parcels.keys[1])
    assert means[1] == pytest.approx(plain.values[inside].mean() / plain.level, rel=1e-5)


@pytest.mark.parametrize("asked", [0.2, 0.5, 0.8])
def test_the_strength_reaches_what_was_asked(asked: float) -> None:
    base, target = made_up(150, 80, 0.0)
    folds = folds_of(len(target), 0)
    knots = (0.0, *KNOTS)

    def rendered(strength: float) -> np.ndarray:
        found = base.copy()
        found[:, :10] += np.tanh(2 * strength) * target[:, None]  # not linear in the strength
        return found

    images = [rendered(knot) for knot in knots]
    found = strength_for(asked, knots, lambda one: read(between(knots, images, one), target, folds).r2)
    assert found.reached and read(rendered(found.strength), target, folds).r2 == pytest.approx(asked, abs=0.03)


def test_a_strength_out_of_reach_is_the_largest_permitted() -> None:
    found = strength_for(0.9, (0.0, 0.5, 0.98765), lambda one: one / 2)
    assert (found.strength, found.reached) == (0.987, False) and found.r2 == pytest.approx(0.4935)


@pytest.mark.parametrize("value", [0.98765, 1.0, 0.36, 123456.0, 0.0009996])
def test_a_strength_is_never_rounded_up(value: float) -> None:
    assert 0.99 * value < rounded_down(value) <= value
