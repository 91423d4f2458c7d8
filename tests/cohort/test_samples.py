"""Samples are read when asked for, kept while memory allows, and the same either way."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
import torch

from interpbench.cohort.samples import Samples, target_of
from interpbench.cohort.subjects import Subject
from interpbench.contract.interfaces import Sample
from interpbench.images.recipe import Recipe
from interpbench.images.volume import write_map
from interpbench.testing import linear_predictor

RECIPE = Recipe(shape=(6, 7, 8), voxel_size=2.0)
SIZE = 6 * 7 * 8 * 5  # bytes of one sample


@pytest.fixture
def subjects(tmp_path):
    made = []
    for number, age in enumerate((44.0, None, 73.0)):
        data = np.zeros((8, 9, 10))
        data[2:6, 2:7, 3:8] = np.random.default_rng(number).normal(100, 10, (4, 5, 5))
        write_map(tmp_path / f"{number}.nii.gz", data, affine=np.diag([2.0, 2, 2, 1]))
        made.append(Subject(f"{number}", tmp_path / f"{number}.nii.gz", age))
    return made


def test_a_sample_is_the_prepared_subject_with_its_age(subjects):
    samples = Samples(subjects, RECIPE)
    prepared = RECIPE.prepare(subjects[2])
    assert len(samples) == 3 and isinstance(samples[2], Sample)
    assert samples[2].subject == "2" and samples[2].target == 73.0
    assert torch.equal(samples[2].volume, prepared.volume) and torch.equal(samples[2].brain, prepared.brain)
    assert math.isnan(samples[1].target)


def test_it_is_a_sequence(subjects):
    samples = Samples(subjects, RECIPE)
    assert [sample.subject for sample in samples] == ["0", "1", "2"]
    assert samples[-1].subject == "2" and [sample.subject for sample in samples[1:]] == ["1", "2"]
    with pytest.raises(IndexError):
        samples[3]


def test_nothing_is_read_before_it_is_asked_for(subjects):
    subjects[1].image.unlink()
    assert Samples(subjects, RECIPE)[0].subject == "0"


def test_what_fits_is_kept_and_the_rest_is_read_again(subjects):
    samples = Samples(subjects, RECIPE, cache_bytes=2 * SIZE + 1)
    first = [samples[index] for index in range(3)]
    assert [samples[index] is first[index] for index in range(3)] == [True, True, False]
    assert torch.equal(samples[2].volume, first[2].volume)


def test_the_target_is_another_column_where_one_is_asked_for(subjects):
    assert Samples(subjects, RECIPE, target=lambda subject: subject.line + 0.5)[0].target == 0.5


def test_a_regressors_target_is_its_column_and_a_classifiers_is_unknown():
    subject = Subject("1", os.devnull, 50.0, cells={"bmi": "21.5", "group": "adult"})
    predictor = linear_predictor(torch.ones(6, 7, 8))
    assert target_of(subject, predictor) == 50.0
    predictor.target_column = "bmi"
    assert target_of(subject, predictor) == 21.5
    predictor.target_column, predictor.classes, predictor.target_class = "group", ("adult", "child"), "child"
    assert math.isnan(target_of(subject, predictor))
