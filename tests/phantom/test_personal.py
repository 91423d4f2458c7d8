"""The phantom with people in it: where age acts is personal, and known for each person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from interpbench import UsageError, write_phantom
from interpbench.errors import ConflictError
from interpbench.phantom import (
    PLACES,
    RATES,
    Anatomy,
    Person,
    Place,
    anatomy_of,
    draw_person,
    load_millimetres,
    load_places,
    render_cohort_person,
    render_person,
    render_personal_truth,
)
from interpbench.phantom.personal import SUPPRESSED, brain_of

Grid = tuple[Anatomy, dict[str, Place]]


@pytest.fixture(scope="module")
def grid() -> Grid:
    fine = load_millimetres()
    anatomy = anatomy_of(fine, 7.0)
    return anatomy, load_places(fine, anatomy)


@pytest.fixture(scope="module")
def person(grid: Grid) -> Person:
    return draw_person(grid[0], np.random.default_rng(3))


def people(anatomy: Anatomy, number: int) -> list[Person]:
    return [draw_person(anatomy, np.random.default_rng((5, one))) for one in range(number)]


def ageing_in(person: Person, place: str) -> Person:
    return replace(person, weights=np.array([float(name == place) for name in PLACES]))


def test_weights_sum_to_1_differ_between_people_and_few_places_carry_most_of_a_person(grid: Grid) -> None:
    weights = np.array([one.weights for one in people(grid[0], 60)])
    np.testing.assert_allclose(weights.sum(1), 1)
    assert len({int(one.argmax()) for one in weights}) == len(PLACES)
    assert np.sort(weights, 1)[:, -3:].sum(1).mean() > 0.85


def test_the_sum_of_effect_over_rate_is_the_years_since_the_youngest_age(grid: Grid) -> None:
    for one in people(grid[0], 5):
        for age in (44.0, 51.5, 73.0):
            assert (one.effect(age) / np.array(list(RATES.values()))).sum() == pytest.approx(age - 44)


def test_a_person_depends_on_number_and_seed_and_on_nobody_else(grid: Grid) -> None:
    age, image, person = render_cohort_person(*grid, 2, 6, 0)
    render_cohort_person(*grid, 1, 6, 0)
    again, same, _ = render_cohort_person(*grid, 2, 6, 0)
    assert age == again and (image == same).all()
    among_others = render_cohort_person(*grid, 2, 9, 0)[2]
    assert (among_others.weights == person.weights).all() and (among_others.moves[0] == person.moves[0]).all()
    assert (render_cohort_person(*grid, 2, 6, 1)[2].weights != person.weights).all()


def test_the_truth_is_where_the_same_person_older_differs(grid: Grid, person: Person) -> None:
    young, old = (render_person(*grid, person, age) for age in (44.0, 73.0))
    truth = render_personal_truth(*grid, person)
    changed = np.abs(old - young)
    np.testing.assert_array_equal(truth.difference, changed)
    assert truth.region.any() and changed[truth.region].min() > 0.1 * changed.max()
    assert changed[~truth.region].max() <= 0.1 * changed.max()
    assert not changed[~brain_of(grid[0], person)].any()


def test_the_brain_has_the_same_edge_at_every_age(grid: Grid, person: Person) -> None:
    brains = [render_person(*grid, person, age) > 0 for age in (44.0, 60.0, 73.0)]
    assert (brains[0] == brains[1]).all() and (brains[0] == brains[2]).all()
    assert (brains[0] == brain_of(grid[0], person)).all()


@pytest.mark.parametrize("place", PLACES)
def test_a_person_who_ages_in_one_place_has_the_truth_there(grid: Grid, person: Person, place: str) -> None:
    anatomy, places = grid
    truth = render_personal_truth(anatomy, places, ageing_in(person, place)).region
    near = places[place].lost(12.0, anatomy) - places[place].lost(-6.0, anatomy) > 0
    assert near[truth].mean() > 0.85  # the others were moved by the deformation
    x = (np.argwhere(truth) @ anatomy.affine[:3, :3].T + anatomy.affine[:3, 3])[:, 0]
    side = -1 if place.startswith("left") else 1
    assert (side * x).mean() > 10 and (side * x > -7).all()  # at most the voxels of the midline are shared


def test_another_person_at_the_same_age_has_another_truth(grid: Grid) -> None:
    truths = [render_personal_truth(*grid, one).region.ravel() for one in people(grid[0], 12)]
    dice = [2 * (a & b).sum() / (a.sum() + b.sum()) for n, a in enumerate(truths) for b in truths[:n]]
    assert np.mean(dice) < 0.4


def test_distractors_lie_outside_the_truth_and_where_what_is_not_age_acts(grid: Grid, person: Person) -> None:
    anatomy, places = grid
    truth = render_personal_truth(anatomy, places, person)
    assert truth.distractors.any() and not (truth.distractors & truth.region).any()
    wide = replace(person, suppressor=4.0, cerebellum=0.0, lesions=[])
    found = render_personal_truth(anatomy, places, wide).distractors
    assert (anatomy.sylvian[found] < 9).all() and found[anatomy.sylvian < -3].mean() > 0.5
    nothing = replace(person, suppressor=0.0, cerebellum=0.0, lesions=[])
    assert not render_personal_truth(anatomy, places, nothing).distractors.any()


def test_the_suppressor_has_nothing_to_do_with_age_and_knowing_it_helps(grid: Grid) -> None:
    """Haufe et al. 2014: unrelated to the target, and yet a good predictor has to subtract it."""
    many = people(grid[0], 150)
    ages = np.random.default_rng(1).uniform(44, 73, len(many))
    width = np.array([one.suppressor for one in many])
    assert abs(np.corrcoef(width, ages)[0, 1]) < 0.2
    rates = np.array(list(RATES.values()))
    read = np.array([((one.own + one.effect(age)) / rates).sum() for one, age in zip(many, ages, strict=True)])
    error = read - (ages - 44)
    assert abs(np.corrcoef(error, width)[0, 1]) > 0.7
    without = error - np.polyval(np.polyfit(width, error, 1), width)
    assert without.std() < 0.6 * error.std()
    growth = np.array([one.own for one in many])
    related = np.abs(np.corrcoef(width, growth, rowvar=False)[0, 1:])
    assert {name for name, value in zip(PLACES, related, strict=True) if value > 0.5} == set(SUPPRESSED)


@pytest.mark.parametrize("kind", ["people", "Personal", ""])
def test_another_kind_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UsageError, match="kind must be one of plain, personal"):
        write_phantom(tmp_path / "a", kind=kind)
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_the_same_seed_writes_the_same_people_and_another_does_not(
    tmp_path: Path, digests: Callable[[Path], dict[str, str]]
) -> None:
    first, again, other = (
        digests(write_phantom(tmp_path / name, subjects=2, voxel_size=8.0, seed=seed, kind="personal"))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again and first["weights.tsv"] != other["weights.tsv"]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "other"), [("personal", "plain"), ("plain", "personal")])
def test_writing_the_same_kind_again_changes_nothing_and_the_other_is_refused(
    tmp_path: Path, digests: Callable[[Path], dict[str, str]], kind: str, other: str
) -> None:
    write_phantom(tmp_path / "a", subjects=2, voxel_size=8.0, kind=kind)
    before = digests(tmp_path / "a")
    write_phantom(tmp_path / "a", subjects=2, voxel_size=8.0, kind=kind)
    with pytest.raises(ConflictError, match="not empty"):
        write_phantom(tmp_path / "a", subjects=2, voxel_size=8.0, kind=other)
    assert digests(tmp_path / "a") == before
