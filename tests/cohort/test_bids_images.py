"""An image that no column names is the one of the row's session and run, or it is asked which."""

from __future__ import annotations

import pytest

from interpbench.cohort.subjects import read_cohort

SES1, SES2 = "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii", "sub-01/ses-02/anat/sub-01_ses-02_T1w.nii.gz"
RUN1, RUN2 = "sub-01/anat/sub-01_T1w.nii", "sub-01/anat/sub-01_run-2_T1w.nii.gz"
FLAT1, FLAT2 = "sub-01/anat/sub-01_ses-01_T1w.nii", "sub-01/anat/sub-01_ses-02_acq-a_T1w.nii.gz"
LOOKED_UP = [  # a further column, its cell, the images, and the image found, or what is said
    ("note", "x", [SES1, SES2], "2 T1w images"),
    ("note", "x", [RUN1, RUN2], "2 T1w images"),
    ("note", "x", [RUN1, f"{RUN1}.gz"], "2 T1w images"),
    ("note", "x", [RUN1], RUN1),
    ("session_id", "01", [SES1, SES2], SES1),
    ("session_id", "ses-02", [SES1, SES2], SES2),
    ("Session", "02", [SES1, SES2], SES2),
    ("ses", "n/a", [SES1, SES2], "2 T1w images"),
    ("session_id", "01", [SES2], "the row says ses-01, but the image found is of ses-02"),
    ("session", "baseline 1", [SES2], "the row says ses-baseline 1, but the image found is of ses-02"),
    ("session_id", "../ses-02", [SES2], "the row says ses-../ses-02"),
    ("ses", "01", [RUN1], RUN1),  # no image lies in a session's folder: the column is about something else
    ("ses", "01", [SES1, f"{SES1}.gz"], "2 T1w images"),
    ("ses", "02", [FLAT1, FLAT2], FLAT2),  # the session is in the name alone
    ("ses", "02", [FLAT1], "the row says ses-02, but the image found is of ses-01"),
    ("note", "x", [FLAT1, FLAT2], "2 T1w images"),
    ("note", "x", [FLAT1], FLAT1),
    ("note", "x", ["sub-01/anat/sub-02_T1w.nii"], "the image is named for sub-02, but lies in the folder sub-01"),
    ("note", "x", ["sub-01/ses-1/anat/sub-010_ses-1_T1w.nii"], "the image is named for sub-010"),
    ("note", "x", ["sub-01/anat/sub-1_T1w.nii"], "sub-01/anat/sub-1_T1w.nii"),
    ("note", "x", ["sub-01/anat/brain_T1w.nii"], "sub-01/anat/brain_T1w.nii"),
    ("ses", "01", ["sub-01/ses-01/anat/sub-01_ses-02_T1w.nii"], "named for ses-02, but lies in a folder ses-01"),
    (
        "ses",
        "02",
        ["sub-01/ses-01/anat/sub-01_ses-02_T1w.nii"],
        "the row says ses-02, but the image found is of ses-01",
    ),
    ("note", "x", ["sub-01/ses-01/anat/sub-01_ses-02_T1w.nii"], "named for ses-02, but lies in a folder ses-01"),
    ("run", "1", [RUN1, RUN2], RUN1),
    ("run", "run-02", [RUN1, RUN2], RUN2),
    ("run", "3", [RUN1, RUN2], "the row says run-3, but the image found is of run-1, run-2"),
]


@pytest.mark.parametrize(("column", "cell", "images", "found"), LOOKED_UP)
def test_the_image_is_the_one_of_the_rows_session_and_run(tmp_path, column, cell, images, found):
    for image in images:
        (tmp_path / image).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / image).touch()
    (tmp_path / "participants.tsv").write_text(f"participant_id\tage\t{column}\n01\t50\t{cell}\n")
    cohort = read_cohort(tmp_path)
    if found in images:
        assert [subject.image for subject in cohort.subjects] == [tmp_path / found] and not cohort.problems
    else:
        assert not cohort.subjects and [found in one.message for one in cohort.problems] == [True]
