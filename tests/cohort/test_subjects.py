"""Tables as people save them: every bad row found at once, and splits alike in age."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest

from interpbench.cohort.split import split_cohort
from interpbench.cohort.subjects import SPLITS, Cohort, Problem, Subject, read_cohort
from interpbench.errors import InputError

HEADER = "participant_id\tage\timage\n"


def written(folder, text, images=("a.nii.gz", "b.nii.gz", "c.nii.gz"), name="participants.tsv"):
    for image in images:
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        (folder / image).touch()
    data = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(data)
    return folder / name


def ids(cohort):
    return [subject.id for subject in cohort.subjects]


def only_problem(cohort):
    assert len(cohort.problems) == 1
    return cohort.problems[0]


def test_a_table_gives_its_subjects(tmp_path):
    table = written(
        tmp_path,
        "participant_id\tage\tsex\timage\tmask\tsplit\ttruth\tdistractors\tlabels\n"
        "sub-01\t44.5\tF\ta.nii.gz\tb.nii.gz\ttrain\tc.nii.gz\td.nii.gz\te.nii.gz\n"
        "02\t70\tn/a\tb.nii.gz\tn/a\t\t\t\t\n",
        images=[f"{name}.nii.gz" for name in "abcde"],
    )
    cohort = read_cohort(tmp_path)
    assert isinstance(cohort, Cohort) and cohort.root == tmp_path and cohort.table == table
    a, b, c, d, e = (tmp_path / f"{name}.nii.gz" for name in "abcde")
    assert cohort.subjects == (
        Subject("01", a, 44.5, mask=b, sex="F", split="train", truth=c, distractors=d, labels=e, line=2),
        Subject("02", b, 70.0, line=3),
    )
    assert cohort.problems == () and cohort.dropped == ()
    assert read_cohort(table) == cohort


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffparticipant_id\tage\timage\r\n01\t44.5\ta.nii.gz\r\n",
        "participant_id;age;image\n01;44,5;a.nii.gz\n",
        "participant_id,age,image\n01,44.5,a.nii.gz\n",
        'participant_id,age,image\n01,"44,5",a.nii.gz\n',
        'participant_id\tage\timage\n"01"\t"44,5"\ta.nii.gz\n',
        "Participant_ID \t Age\timage\n\n 01 \t 44.5\ta.nii.gz\t\t\n\n",
        "participant_id\tage\timage\r01\t44.5\ta.nii.gz\r",
        "participant_id\tage\timage\n01\t44.5\ta.nii.gz".encode("utf-16"),
        "age,image,participant_id,,\n44.5,a.nii.gz,sub-01,,\n",
    ],
)
def test_all_these_are_one_table(tmp_path, text):
    (subject,) = read_cohort(written(tmp_path, text, name="table.csv")).subjects
    assert (subject.id, subject.age, subject.image.name) == ("01", 44.5, "a.nii.gz")


@pytest.mark.parametrize("age", ["", " ", "n/a", "N/A", "NaN", "null"])
def test_a_subject_without_an_age_is_dropped_counted_and_named(tmp_path, age):
    cohort = read_cohort(written(tmp_path, f"{HEADER}01\t{age}\ta.nii.gz\n02\t50\tb.nii.gz\n"))
    assert ids(cohort) == ["02"] and cohort.dropped == ("01",) and cohort.problems == ()
    assert "1 excluded without an age: sub-01" in cohort.describe()


def test_where_no_age_is_needed_nobody_is_dropped(tmp_path):
    cohort = read_cohort(written(tmp_path, f"{HEADER}01\t\ta.nii.gz\n"), need_age=False)
    assert cohort.subjects[0].age is None and cohort.dropped == ()
    cohort = read_cohort(written(tmp_path, "participant_id\timage\n01\ta.nii.gz\n"), need_age=False)
    assert ids(cohort) == ["01"]


@pytest.mark.parametrize("age", ["old", "-3", "0", "250", "89+", "inf", "4_4", "1,234.5", "600 months"])
def test_an_age_that_cannot_be_is_a_problem_with_its_line(tmp_path, age):
    cohort = read_cohort(written(tmp_path, f"{HEADER}01\t50\ta.nii.gz\n02\t{age}\tb.nii.gz\n"))
    problem = only_problem(cohort)
    assert ids(cohort) == ["01"] and cohort.dropped == ()
    assert (problem.subject, problem.line) == ("sub-02", 3) and age in problem.message
    assert str(problem).startswith("line 3, sub-02: age")


def test_every_bad_row_is_found_at_once(tmp_path):
    rows = ["01\told\ta.nii.gz", "02\t50\tmissing.nii.gz", "\t50\ta.nii.gz"]
    rows += ["../x\t50\ta.nii.gz", "03\t50\tn/a", "04\t50"]
    cohort = read_cohort(written(tmp_path, HEADER + "\n".join(rows) + "\n05\t50\ta.nii.gz\n"))
    assert ids(cohort) == ["05"] and [problem.line for problem in cohort.problems] == [2, 3, 4, 5, 6, 7]
    assert cohort.problems[1] == Problem("sub-02", 3, tmp_path / "missing.nii.gz", "the image does not exist")
    assert "6 problems, the first: line 2" in cohort.describe()


@pytest.mark.parametrize("twin", ["01", "sub-01"])
def test_a_duplicate_id_is_a_problem_also_without_its_prefix(tmp_path, twin):
    cohort = read_cohort(written(tmp_path, f"{HEADER}sub-01\t50\ta.nii.gz\n{twin}\t60\tb.nii.gz\n"))
    assert cohort.subjects == () and [one.line for one in cohort.problems] == [2, 3]
    first, second = (one.message for one in cohort.problems)
    assert "line 3 too" in first and "line 2 already" in second and "01+1, 01+2" in first
    assert [one.line for one in read_cohort(tmp_path, need_age=False).problems] == [2, 3]


@pytest.mark.parametrize("label", ["../../x", "/etc/x", "a b", "a" * 300, "sub-01_x", "a\u202eb", "sub-"])
def test_an_id_that_is_no_label_is_a_problem(tmp_path, label):
    cohort = read_cohort(written(tmp_path, f"{HEADER}{label}\t50\ta.nii.gz\n02\t50\tb.nii.gz\n"))
    assert ids(cohort) == ["02"] and "participant_id" in only_problem(cohort).message


def test_an_unquoted_decimal_comma_shifts_no_cell_unseen(tmp_path):
    cohort = read_cohort(written(tmp_path, "participant_id,age,image\n01,44,5,a.nii.gz\n", name="t.csv"))
    assert "4 cells" in only_problem(cohort).message


@pytest.mark.parametrize(
    ("word", "split"), [("train", "train"), ("Training", "train"), ("val", "validation"), ("test", "test")]
)
def test_a_split_is_one_of_three(tmp_path, word, split):
    header = "participant_id\tage\timage\tsplit\n"
    assert read_cohort(written(tmp_path, f"{header}01\t50\ta.nii.gz\t{word}\n")).subjects[0].split == split
    cohort = read_cohort(written(tmp_path, f"{header}01\t50\ta.nii.gz\tholdout\n"))
    assert "'holdout'" in only_problem(cohort).message


@pytest.mark.parametrize("missing", ["participant_id", "age"])
def test_a_missing_column_is_refused_with_those_that_are_there(tmp_path, missing):
    header = HEADER.replace(missing, "Other")
    with pytest.raises(InputError) as caught:
        read_cohort(written(tmp_path, f"{header}01\t50\ta.nii.gz\n"))
    assert f"no column '{missing}'" in str(caught.value) and "Other" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "no rows"),
        (HEADER, "no rows"),
        (b"participant_id\tage\n\xff\xfe\xfd", "UTF-8"),
        (b"participant_id\tage\n\0\0", "NUL"),
        (f'{HEADER}"01\t50\ta.nii.gz\n02\t50\tb.nii.gz\n', "quote"),
        ("age\tAge\timage\n1\t2\t3\n", "two columns"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path, data, said):
    table = written(tmp_path, data)
    with pytest.raises(InputError, match=said) as caught:
        read_cohort(table)
    assert str(table) in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_without_a_table_or_a_path_to_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"participants\.tsv"):
        read_cohort(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_cohort(tmp_path / "nowhere")
    (tmp_path / "image.nii").touch()
    with pytest.raises(InputError, match="is not a table"):
        read_cohort(tmp_path / "image.nii")


def test_the_line_is_the_files_also_after_blank_lines_and_quoted_line_breaks(tmp_path):
    rows = 'a\t50\ta.nii.gz\t"two\nlines"\n\nb\told\ta.nii.gz\tx\n'
    cohort = read_cohort(written(tmp_path, "participant_id\tage\timage\tnote\n" + rows))
    assert [subject.line for subject in cohort.subjects] == [2] and only_problem(cohort).line == 5


def test_images_are_found_by_bids_name_where_no_column_names_them(tmp_path):
    images = ("sub-01/anat/sub-01_T1w.nii.gz", "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz")
    images += ("sub-03/anat/sub-03_T1w.nii",)
    cohort = read_cohort(written(tmp_path, "participant_id\tage\n01\t50\nsub-02\t60\n03\t70\n", images))
    assert [subject.image for subject in cohort.subjects] == [tmp_path / image for image in images]


def test_no_image_or_several_by_bids_name_is_a_problem(tmp_path):
    images = ("sub-01/func/sub-01_bold.nii.gz", "sub-02/ses-1/anat/a_T1w.nii.gz", "sub-02/ses-2/anat/b_T1w.nii.gz")
    cohort = read_cohort(written(tmp_path, "participant_id\tage\n01\t50\n02\t60\n", images))
    assert "no image column" in cohort.problems[0].message
    assert "2 T1w images" in cohort.problems[1].message and "b_T1w" in cohort.problems[1].message


def test_further_columns_are_kept_by_their_names_in_any_case(tmp_path):
    header = "participant_id\tage\tsex\tGroup\tBMI\timage\n"
    rows = "01\t50\tF\tadult\t21,5\ta.nii.gz\n02\t60\tM\tn/a\thigh\tb.nii.gz\n"
    cohort = read_cohort(written(tmp_path, header + rows))
    first, second = cohort.subjects
    assert cohort.columns == ("participant_id", "age", "sex", "Group", "BMI", "image")
    assert (first.cells, second.cells) == ({"group": "adult", "bmi": "21,5"}, {"bmi": "high"})
    assert [first.cell(name) for name in ("GROUP", "sex", "age")] == ["adult", "F", None]
    assert second.cell("group") is None
    assert (first.number("Bmi"), first.number("age")) == (21.5, 50.0)
    assert np.isnan([second.number("bmi"), second.number("group"), second.number("nothing")]).all()
    assert len({first, second}) == 2


def people(number, seed=0):
    ages = np.random.default_rng(seed).uniform(44, 73, number)
    return [Subject(f"{one:04d}", os.devnull, float(age)) for one, age in enumerate(ages)]


@pytest.mark.parametrize("number", [1, 3, 7, 20, 155, 1000])
def test_a_split_has_the_fractions_asked_for(number):
    counts = Counter(split_cohort(people(number)).values())
    assert counts["train"] == round(0.75 * number)
    assert counts["test"] == number - round(0.85 * number)
    assert sum(counts.values()) == number


def test_a_split_is_alike_in_age():
    subjects = people(400)
    split = split_cohort(subjects)
    ages = {word: [s.age for s in subjects if split[s.id] == word] for word in ("train", "validation", "test")}
    for word in ("validation", "test"):
        for share in (0.1, 0.25, 0.5, 0.75, 0.9):
            assert abs(np.quantile(ages[word], share) - np.quantile(ages["train"], share)) < 2.5


def test_a_split_depends_on_the_seed_and_not_on_the_order():
    subjects = people(60)
    assert split_cohort(subjects) == split_cohort(subjects[::-1])
    assert split_cohort(subjects) != split_cohort(subjects, seed=1)
    assert list(split_cohort(subjects)) == [subject.id for subject in subjects]


def test_a_split_in_the_table_wins():
    subjects = [Subject(one.id, one.image, one.age, split="test") for one in people(10)]
    assert set(split_cohort(subjects).values()) == {"test"}
    mixed = [*subjects, *(Subject(f"x{one.id}", one.image, one.age) for one in people(20))]
    split = split_cohort(mixed)
    assert {split[one.id] for one in subjects} == {"test"} and Counter(split.values())["train"] == 15


def grouped(children, adults):
    words = ["child"] * children + ["adult"] * adults
    return [
        Subject(one.id, os.devnull, one.age, cells={"group": word, "bmi": str(100 - one.age)})
        for one, word in zip(people(children + adults), words, strict=True)
    ]


@pytest.mark.parametrize(("children", "adults"), [(122, 33), (20, 20), (40, 5)])
def test_a_split_by_class_has_the_fractions_asked_for_in_each_class(children, adults):
    subjects = grouped(children, adults)
    split = split_cohort(subjects, column="group", classes=("adult", "child"))
    for name, number in (("child", children), ("adult", adults)):
        counts = Counter(split[one.id] for one in subjects if one.cell("group") == name)
        for word, share in (("train", 0.75), ("validation", 0.10), ("test", 0.15)):
            assert abs(counts[word] - share * number) <= 1.5


def test_within_a_class_a_split_is_alike_in_age():
    subjects = grouped(300, 100)
    split = split_cohort(subjects, column="group", classes=("adult", "child"))
    for name in ("child", "adult"):
        ages = {word: [s.age for s in subjects if split[s.id] == word and s.cell("group") == name] for word in SPLITS}
        assert abs(np.median(ages["test"]) - np.median(ages["train"])) < 4


def test_a_split_by_another_number_is_as_by_age():
    subjects = grouped(60, 0)  # whose bmi falls as age rises
    same = [Subject(one.id, os.devnull, 100 - one.age) for one in subjects]
    assert split_cohort(subjects, column="bmi") == split_cohort(same)
    assert split_cohort(subjects, column="bmi") != split_cohort(subjects)


def test_who_has_no_class_is_dealt_out_too():
    subjects = [*grouped(20, 20), *people(0), Subject("x", os.devnull, 50.0)]
    assert split_cohort(subjects, column="group", classes=("adult", "child"))["x"] in SPLITS


def test_fractions_that_do_not_add_up_are_refused():
    with pytest.raises(InputError, match="add up to 1"):
        split_cohort(people(3), fractions=(0.75, 0.1, 0.1))
