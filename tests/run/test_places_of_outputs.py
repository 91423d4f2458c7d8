"""Where an output may lie: below derivatives, apart from a cache, and wherever links and names lead to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from interpbench.cohort.subjects import FILE_COLUMNS
from interpbench.errors import UsageError
from interpbench.run.places import check_places

READ = {"cohort": "cohorts/cohort", "predictor": "models/model", "fitted": "fits/fit", "maps": "mapped/maps"}


@pytest.fixture
def tree(tmp_path: Path, planted: Callable[[Path, dict[str, str]], Path]) -> Path:
    return planted(tmp_path, READ)


RIGHT: list[tuple[str, dict[str, str]]] = [
    ("explain", {"cohort": "cohorts/cohort", "out": "cohorts/cohort/derivatives/maps"}),
    ("predict", {"cohort": "cohorts/cohort", "out": "cohorts/cohort/derivatives/predictions.tsv"}),
    ("fit", {"cohort": "cohorts/cohort", "out": "fits/new", "cache": "cohorts/cohort/derivatives/cache"}),
    ("explain", {"cohort": "cohorts/cohort", "predictor": "models/model", "fitted": "fits/fit", "out": "mapped/new"}),
    ("explain", {"cohort": "cohorts/cohort", "predictor": "models/model", "out": "mapped/maps"}),
    ("aggregate", {"maps": "mapped/maps", "out": "mapped/population"}),
    ("benchmark", {"cohort": "cohorts/cohort", "fitted": "fits/fit", "maps": "mapped/maps", "out": "bench"}),
    ("train", {"cohort": "cohorts/cohort/participants.tsv", "out": "cohorts/cohort/model"}),
    ("verify", {"out": "mapped/maps", "config": "mapped/maps/config.toml"}),
]


@pytest.mark.parametrize(("command", "given"), RIGHT)
def test_right_uses_are_allowed(command: str, given: dict[str, str], tree: Path) -> None:
    check_places(command, {name: tree / place for name, place in given.items()})


@pytest.mark.parametrize("command", ["fit", "search"])
@pytest.mark.parametrize(("out", "cache"), [("x", "x"), ("x", "x/cache"), ("x/out", "x"), ("x/../x/y", "x")])
def test_a_cache_and_an_output_lie_apart(command: str, out: str, cache: str, tree: Path) -> None:
    with pytest.raises(UsageError, match="cache"):
        check_places(command, {"out": tree / out, "cache": tree / cache})


def test_derivatives_themselves_and_a_way_round_them_are_refused(tree: Path) -> None:
    cohort = tree / READ["cohort"]
    (cohort / "derivatives").symlink_to(cohort / "sub-01")
    for out in ("derivatives", "derivatives/maps", "derivatives/../x", "other/../derivatives", "Derivatives/x"):
        with pytest.raises(UsageError, match=r"below .*derivatives|sub-01"):
            check_places("explain", {"cohort": cohort, "out": cohort / out})


def test_a_link_inside_the_output_leads_nowhere_that_is_read(tree: Path) -> None:
    out = tree / "out"
    out.mkdir()
    (out / "manifest.json").write_text("{}")
    (out / "sub-01").symlink_to(tree / READ["cohort"] / "sub-01")
    with pytest.raises(UsageError, match="sub-01"):
        check_places("explain", {"cohort": tree / READ["cohort"], "out": out})


def test_a_path_of_two_thousand_folders_is_read_as_any(tree: Path) -> None:
    check_places("train", {"cohort": tree / READ["cohort"], "out": tree / "out", "options": {"file": "a/" * 1900}})
    model = tree / READ["predictor"]
    with pytest.raises(UsageError):
        check_places("predict", {"predictor": model, "out": model / ("a/" * 1900)})
    before = tree / "0"
    before.mkdir()
    for number in range(1, 60):
        (tree / str(number)).symlink_to(tree / str(number - 1))
    for number in (30, 59):
        link = tree / str(number)
        check_places("train", {"cohort": link / "x", "predictor": link, "out": tree / "out"})


def test_a_circle_of_links_ends(tree: Path) -> None:
    (tree / "a").symlink_to(tree / "b")
    (tree / "b").symlink_to(tree / "a")
    for name in ("a", "a/x"):
        with pytest.raises(UsageError):
            check_places("train", {"cohort": tree / READ["cohort"], "out": tree / name})
    check_places("train", {"cohort": tree / READ["cohort"], "predictor": tree / "a" / "x", "out": tree / "out"})


@pytest.mark.parametrize("name", ["\0", "x" * 5000, "/".join(["x" * 200] * 25), "a/" * 2500, "\ud800"])
def test_a_name_that_no_file_can_have_is_refused(name: str, tree: Path) -> None:
    for command, given in (("train", {"out": tree / name}), ("predict", {"out": tree / f"{name}.tsv"})):
        with pytest.raises(UsageError) as refused:
            check_places(command, {"cohort": tree / READ["cohort"], **given})
        assert "\0" not in str(refused.value)
        check_places("train", {"cohort": Path(name), "out": tree / "out", "options": {"file": name}})


@pytest.mark.parametrize("column", FILE_COLUMNS)
def test_a_file_of_any_column_is_read_wherever_it_lies(tmp_path: Path, column: str) -> None:
    far, cohort = tmp_path / "far" / "file.nii.gz", tmp_path / "cohort"
    for folder in (far.parent, cohort):
        folder.mkdir()
    far.write_text("far")
    (cohort / "participants.tsv").write_text(f"participant_id\tage\t{column}\n01\t50\t{far}\n")
    with pytest.raises(UsageError, match=column):
        check_places("predict", {"cohort": cohort, "out": far})
    assert far.read_text() == "far"
