"""An age in the table that is not the age of the image's session is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from interpbench.cohort.check import check_cohort
from interpbench.cohort.subjects import read_cohort
from interpbench.doubts import AGES

IN_FOLDER, IN_NAME = "sub-01/ses-02/anat/sub-01_ses-02_T1w.nii", "sub-01/anat/sub-01_ses-02_T1w.nii"
TOLD = "sub-01 has the age 40, but sub-01_sessions.tsv has 52 for ses-02"
SESSIONS = [  # the image, the table of sessions, and what is said
    (IN_FOLDER, "session_id\tage\nses-01\t40\nses-02\t52\n", TOLD),
    (IN_NAME, "session_id\tage\nses-01\t40\nses-02\t52\n", TOLD),
    (IN_FOLDER, "session_id\tage\n01\t40\n02\t52\n", TOLD),
    (IN_FOLDER, "session_id\tage\nses-01\t52\nses-02\t40.4\n", None),
    (IN_FOLDER, "session_id\tage\nses-01\t52\nses-02\tn/a\n", None),
    (IN_FOLDER, "session_id\tage\nses-01\t52\n", None),
    (IN_FOLDER, "session_id\nses-02\n", None),
    (IN_FOLDER, "", None),
    ("sub-01/anat/sub-01_T1w.nii", "session_id\tage\nses-02\t52\n", None),
]


@pytest.mark.parametrize(("image", "sessions", "told"), SESSIONS)
def test_an_age_of_another_session_is_told(tmp_path: Path, image: str, sessions: str, told: str | None) -> None:
    (tmp_path / image).parent.mkdir(parents=True)
    (tmp_path / image).touch()
    (tmp_path / "sub-01/sub-01_sessions.tsv").write_text(sessions)
    (tmp_path / "participants.tsv").write_text("participant_id\tage\n01\t40\n")
    cohort = read_cohort(tmp_path)
    assert [one.age for one in cohort.subjects] == [40]
    found = [one.message for one in check_cohort(cohort, voxels=False, warnings=True) if one.kind == AGES]
    assert found == ([told] if told else [])


def test_several_ages_of_other_sessions_are_one_sentence(tmp_path: Path) -> None:
    rows = ["participant_id\tage\timage"]
    for label, folder in (("01+1", "sub-01"), ("02", "sub-02"), ("03", "sub-03")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}_ses-1_T1w.nii").touch()
        (tmp_path / folder / f"{folder}_sessions.tsv").write_text("session_id\tage\nses-1\t60\n")
        rows.append(f"{label}\t50\t{folder}/{folder}_ses-1_T1w.nii")
    (tmp_path / "participants.tsv").write_text("\n".join(rows))
    (told,) = read_cohort(tmp_path).doubts
    assert told == "sub-01+1 has the age 50, but sub-01_sessions.tsv has 60 for ses-1; 2 more ages differ so"
