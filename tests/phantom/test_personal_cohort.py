"""A personal phantom on disk: an ordinary cohort, each person with a truth, and no age outside of all truths."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score

from interpbench import Recipe, read_cohort, write_phantom
from interpbench.cohort.check import check_cohort
from interpbench.phantom import (
    PLACES,
    RATES,
    Anatomy,
    Place,
    anatomy_of,
    load_millimetres,
    load_places,
    render_cohort_person,
    render_personal_truth,
)
from interpbench.phantom.personal import START_MM
from interpbench.phantom.subject import DEFORMATION_REACH_MM
from interpbench.pipeline.benchmarking.truths import common_truth, truth_of

pytestmark = pytest.mark.slow
NUMBER = 240


@pytest.fixture(scope="module")
def grid() -> tuple[Anatomy, dict[str, Place]]:
    fine = load_millimetres()
    anatomy = anatomy_of(fine, 4.0)
    return anatomy, load_places(fine, anatomy)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("personal") / "cohort"
    return write_phantom(folder, subjects=NUMBER, voxel_size=4.0, seed=0, kind="personal")


def voxels(file: Path | None) -> np.ndarray:
    assert file is not None
    return np.asarray(nibabel.load(file).dataobj)


def test_the_files_are_a_cohort_without_problems_and_each_person_has_a_truth(cohort: Path) -> None:
    people = read_cohort(cohort)
    assert len(people.subjects) == NUMBER and not people.problems and not check_cohort(people)
    for one in people.subjects[:5]:
        truth, distractors = voxels(one.truth), voxels(one.distractors)
        assert set(np.unique(truth)) == {0, 1} and not (truth * distractors).any()
        assert not truth[voxels(one.image) == 0].any() and not distractors[voxels(one.image) == 0].any()
    record = json.loads((cohort / "phantom.json").read_text())
    assert record["kind"] == "personal" and record["mm_per_year"] == RATES


def test_there_is_no_truth_for_all_so_a_benchmark_takes_each_person_s_own(cohort: Path) -> None:
    people = read_cohort(cohort)
    assert common_truth(people, None) is None and not list(cohort.glob("*.nii.gz"))
    recipe = Recipe(shape=(35, 44, 35), voxel_size=4.0, centre=(0.0, -17.0, 8.0))
    for one in people.subjects[:2]:
        found = truth_of(one, None, recipe.prepare(one.image))
        assert found is not None and (found.numpy() == (voxels(one.truth) > 0)).all()


def test_weights_and_truths_on_disk_are_those_of_the_person(
    cohort: Path, grid: tuple[Anatomy, dict[str, Place]]
) -> None:
    with (cohort / "weights.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == NUMBER and list(rows[0]) == ["participant_id", *PLACES]
    age, image, person = render_cohort_person(*grid, 7, NUMBER, 0)
    assert [float(rows[7][place]) for place in PLACES] == pytest.approx(person.weights, abs=1e-6)
    one, truth = read_cohort(cohort).subjects[7], render_personal_truth(*grid, person)
    assert one.age == age
    np.testing.assert_array_equal(voxels(one.image), image)
    np.testing.assert_array_equal(voxels(one.truth) > 0, truth.region)
    np.testing.assert_array_equal(voxels(one.distractors) > 0, truth.distractors)
    difference = one.image.with_name(one.image.name.replace("T1w", "desc-truth_map"))
    np.testing.assert_array_equal(voxels(difference), truth.difference)


def test_age_is_told_by_the_truths_and_not_by_what_lies_beyond_all_of_them(
    cohort: Path,
    grid: tuple[Anatomy, dict[str, Place]],
    explained_variance: Callable[[np.ndarray, np.ndarray], float],
) -> None:
    """The leak test, through the recipe that the demo uses: ridge regression, the best of many penalties."""
    anatomy, places = grid
    people = read_cohort(cohort).subjects
    ages = np.array([subject.age for subject in people], dtype=float)
    recipe = Recipe(shape=(35, 44, 35), voxel_size=4.0, centre=(0.0, -17.0, 8.0))
    volumes = np.stack([recipe.prepare(subject.image).volume[0].numpy() for subject in people])
    most = {name: START_MM + 29 * rate + 2.0 for name, rate in RATES.items()}  # 2 mm: what is not age
    touched = np.any([places[name].lost(most[name], anatomy) > 0 for name in PLACES], axis=0) & anatomy.brain
    reach = int(np.ceil(DEFORMATION_REACH_MM / 4.0)) + 1
    beyond = anatomy.brain & ~ndimage.binary_dilation(touched, np.ones((3, 3, 3)), iterations=reach)
    assert beyond.sum() > 10_000
    truths = np.any([voxels(subject.truth) > 0 for subject in people], axis=0)
    assert not (truths & beyond).any()
    assert explained_variance(volumes[:, beyond], ages) < 0.05
    assert explained_variance(volumes[:, truths], ages) > 0.6


def test_truths_differ_between_people_and_the_mean_truth_is_nobody_s(
    cohort: Path, grid: tuple[Anatomy, dict[str, Place]]
) -> None:
    truths = np.stack([voxels(one.truth)[grid[0].brain] > 0 for one in read_cohort(cohort).subjects])
    sizes, shared = truths.sum(1), truths.astype(float) @ truths.T
    dice = (2 * shared / (sizes[:, None] + sizes))[~np.eye(NUMBER, dtype=bool)]
    assert dice.mean() < 0.4
    others = [average_precision_score(truth, truths.sum(0) - truth) for truth in truths[::6]]
    assert 0.1 < np.mean(others) < 0.6  # a person's own truth has 1
