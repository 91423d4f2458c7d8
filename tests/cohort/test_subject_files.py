"""The files that a table names: each must be there, whatever its column."""

from __future__ import annotations

import pytest

from interpbench.cohort.subjects import read_cohort

HEADER = "participant_id\tage\timage\n"


def written(folder, text):
    for image in ("a.nii.gz", "b.nii.gz"):
        (folder / image).touch()
    (folder / "participants.tsv").write_text(text)
    return folder / "participants.tsv"


def test_a_folder_or_dangling_link_in_place_of_an_image_is_a_problem(tmp_path):
    (tmp_path / "folder.nii").mkdir()
    (tmp_path / "link.nii").symlink_to(tmp_path / "nowhere.nii")
    cohort = read_cohort(written(tmp_path, f"{HEADER}01\t50\tfolder.nii\n02\t50\tlink.nii\n"))
    assert [problem.message for problem in cohort.problems] == ["the image is not a file", "the image does not exist"]


@pytest.mark.parametrize(
    ("column", "what"),
    [
        ("mask", "mask"),
        ("truth", "truth"),
        ("distractors", "file of distractors"),
        ("labels", "file of labels"),
    ],
)
def test_a_missing_file_is_a_problem_and_not_ignored(tmp_path, column, what):
    cohort = read_cohort(written(tmp_path, f"participant_id\tage\timage\t{column}\n01\t50\ta.nii.gz\tgone.nii\n"))
    (problem,) = cohort.problems
    assert f"the {what} does not exist" in str(problem) and cohort.subjects == ()
