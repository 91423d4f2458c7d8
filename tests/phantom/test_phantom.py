"""The phantom: deterministic, ordinary files, and no age outside the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import pearsonr

from interpbench import Recipe, UsageError, read_cohort, write_phantom
from interpbench.cohort.check import check_cohort
from interpbench.errors import ConflictError
from interpbench.phantom import Anatomy, load_anatomy, render_cohort_member, render_mean, render_truth
from interpbench.phantom.subject import DEFORMATION_REACH_MM


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return load_anatomy(4.0)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("phantom") / "cohort", subjects=240, voxel_size=4.0, seed=0)


@pytest.mark.slow
def test_the_box_at_4_mm_is_the_paper_s_box(anatomy: Anatomy) -> None:
    assert anatomy.template.shape == (35, 44, 35)


@pytest.mark.slow
def test_a_voxel_of_the_template_is_the_mean_of_its_millimetres() -> None:
    fine, coarse = load_anatomy(2.0), load_anatomy(4.0)
    blocks = fine.ventricles[:70, :88, :70].reshape(35, 2, 44, 2, 35, 2).mean((1, 3, 5))
    np.testing.assert_allclose(blocks, coarse.ventricles, atol=1e-3)
    centre = coarse.affine @ [10, 20, 15, 1]
    assert np.linalg.inv(fine.affine) @ centre == pytest.approx([20.5, 40.5, 30.5, 1])


@pytest.mark.slow
def test_the_anatomy_lies_where_mni_has_it(anatomy: Anatomy) -> None:
    def at(x: float, y: float, z: float) -> tuple[int, ...]:
        place = np.linalg.inv(anatomy.affine) @ [x, y, z, 1]
        return tuple(round(float(value)) for value in place[:3])

    assert anatomy.ventricles[at(-10, 12, 14)] < 1 and anatomy.ventricles[at(-40, 12, 14)] > 10
    assert anatomy.hippocampi[at(27, -22, -15)] < -3 and anatomy.hippocampi[at(0, -22, -15)] > 10


def test_the_truth_is_where_the_mean_subject_changes_and_small(anatomy: Anatomy) -> None:
    truth = render_truth(anatomy)
    changed = render_mean(anatomy, 73.0) != render_mean(anatomy, 44.0)
    assert not (truth.region & ~changed).any()
    assert 0.01 < truth.region.sum() / anatomy.brain.sum() < 0.06


@pytest.mark.slow
def test_the_same_seed_writes_the_same_bytes_and_another_does_not(
    tmp_path: Path, digests: Callable[[Path], dict[str, str]]
) -> None:
    first, again, other = (
        digests(write_phantom(tmp_path / name, subjects=3, voxel_size=8.0, seed=seed))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again
    assert first["truth.nii.gz"] == other["truth.nii.gz"] and first["participants.tsv"] != other["participants.tsv"]


PLAIN = (  # age, voxels, sum, sum of squares, sum weighted with numbers of seed 0: of three subjects at 8 mm, seed 1
    (48.95, 3695, 2225.277509, 1455.176100, -18.512416),
    (56.87, 3666, 2367.284664, 1647.070695, -3.086253),
    (67.67, 3738, 2326.326283, 1568.601331, -6.190457),
)


def test_the_plain_phantom_has_the_values_that_it_always_had() -> None:
    small = load_anatomy(8.0)
    weights = np.random.default_rng(0).standard_normal(small.template.shape)
    for number, (age, voxels, total, squares, weighted) in enumerate(PLAIN):
        rendered, image = render_cohort_member(small, number, 3, 1)
        values = image.astype(np.float64)
        assert (rendered, (values > 0).sum()) == (age, voxels)
        assert [values.sum(), (values**2).sum(), (values * weights).sum()] == pytest.approx(
            [total, squares, weighted], abs=1e-3
        )
    truth = render_truth(small)
    assert truth.region.sum() == 225 and truth.difference.sum() == pytest.approx(20.650596, abs=1e-3)


@pytest.mark.slow
def test_a_plain_phantom_names_no_kind_and_has_one_truth_for_all(tmp_path: Path) -> None:
    write_phantom(tmp_path / "a", subjects=1, voxel_size=10.0)
    record = json.loads((tmp_path / "a" / "phantom.json").read_text())
    assert list(record)[:5] == ["subjects", "voxel_size_mm", "seed", "truth_share", "ages"] and len(record) == 16
    assert (tmp_path / "a" / "participants.tsv").read_text().startswith("participant_id\tage\timage\n")
    assert (tmp_path / "a" / "truth.nii.gz").is_file()


@pytest.mark.slow
def test_writing_again_changes_nothing_and_another_phantom_is_refused(
    tmp_path: Path, digests: Callable[[Path], dict[str, str]]
) -> None:
    write_phantom(tmp_path / "a", subjects=2, voxel_size=8.0)
    before = digests(tmp_path / "a")
    write_phantom(tmp_path / "a", subjects=2, voxel_size=8.0)
    assert digests(tmp_path / "a") == before
    with pytest.raises(ConflictError, match="not empty"):
        write_phantom(tmp_path / "a", subjects=3, voxel_size=8.0)


@pytest.mark.parametrize(("subjects", "voxel_size"), [(0, 4.0), (5, 0.5), (5, 11.0)])
def test_a_phantom_that_cannot_be_is_refused(tmp_path: Path, subjects: int, voxel_size: float) -> None:
    with pytest.raises(UsageError, match="phantom needs"):
        write_phantom(tmp_path / "a", subjects=subjects, voxel_size=voxel_size)


@pytest.mark.slow
def test_the_files_are_a_cohort_without_problems(cohort: Path) -> None:
    people = read_cohort(cohort)
    assert len(people.subjects) == 240 and not people.problems and not check_cohort(people)
    ages = np.array([subject.age for subject in people.subjects], dtype=float)
    assert ages.min() >= 44 and ages.max() <= 73
    image = nibabel.load(people.subjects[0].image)
    assert image.shape == (35, 44, 35) and image.get_data_dtype() == np.float32


@pytest.mark.slow
def test_age_is_told_by_the_truth_and_not_by_what_lies_beyond_its_reach(
    cohort: Path, anatomy: Anatomy, explained_variance: Callable[[np.ndarray, np.ndarray], float]
) -> None:
    """The leak test, through the recipe that the demo uses: ridge regression, the best of many penalties."""
    people = read_cohort(cohort).subjects
    ages = np.array([subject.age for subject in people], dtype=float)
    centre = tuple(float(value) for value in (anatomy.affine @ [17, 21.5, 17, 1])[:3])
    recipe = Recipe(shape=(35, 44, 35), voxel_size=4.0, centre=centre)  # type: ignore[arg-type]
    volumes = np.stack([recipe.prepare(subject.image).volume[0].numpy() for subject in people])
    touched = np.abs(render_mean(anatomy, 73.0) - render_mean(anatomy, 44.0)) > 0
    reach = int(np.ceil(DEFORMATION_REACH_MM / 4.0)) + 1
    beyond = anatomy.brain & ~ndimage.binary_dilation(touched, np.ones((3, 3, 3)), iterations=reach)
    assert beyond.sum() > 10_000
    assert explained_variance(volumes[:, beyond], ages) < 0.05
    assert explained_variance(volumes[:, render_truth(anatomy).region], ages) > 0.6


@pytest.mark.slow
def test_distractors_do_not_follow_age(cohort: Path, anatomy: Anatomy) -> None:
    people = read_cohort(cohort).subjects
    ages = [subject.age for subject in people]
    sylvian = [np.asarray(nibabel.load(one.image).dataobj)[anatomy.sylvian < 0].mean() for one in people]
    assert abs(pearsonr(ages, sylvian).statistic) < 0.2
