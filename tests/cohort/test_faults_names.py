"""Names that somebody chose to do harm, or did not choose well: nothing leaves the output, and text stays text."""

from __future__ import annotations

import csv
import shutil
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from interpbench import Explainer
from interpbench.files.atomic import write_tsv
from interpbench.report.page import Figure, write_report_page

Run = Callable[..., tuple[int, str, str]]

HOSTILE = {
    "a way up": "../../x",
    "a way up after the prefix": "sub-../x",
    "a whole path": "/etc/x",
    "a folder below": "a/b",
    "a backslash": "..\\x",
    "a NUL": "a\0b",
    "300 characters": "a" * 300,
    "a right-to-left mark": "a\u202eb",
    "a zero-width space": "a\u200bb",
    "a line break": '"a\nb"',
    "a blank": "a b",
    "a dot": ".",
    "two dots": "..",
    "a home": "~root",
    "a variable": "$HOME",
    "a formula": "=1+1",
    "markup": "<script>alert(1)</script>",
    "letters of another script": "\u043f\u0430\u0443\u043b",
    "digits of another script": "\u0663\u0664",
    "a full-width letter": "\uff21",
    "an underscore": "01_acq-x",
    "a percent sign": "%2e%2e",
    "a colon": "C:",
    "a star": "*",
    "a dash": "-rf",
}
FORMULAS = ["=HYPERLINK(1)", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n=1"]
PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
MARKUP = '<script>alert("1")</script><img src=x onerror=alert(2)>'


@pytest.fixture
def cohort_of(toy_cohort: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A function that gives a cohort in whose table one more row has that label."""

    def make(label: str) -> Path:
        folder = tmp_path / "deep" / "down" / "cohort"
        folder.mkdir(parents=True)
        (folder / "x.nii.gz").write_bytes((toy_cohort / "00.nii.gz").read_bytes())
        (folder / "participants.tsv").write_text(
            f"participant_id\tage\timage\n{label}\t50\tx.nii.gz\nsub-00\t40\tx.nii.gz\n"
        )
        return folder

    return make


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_an_id_of(name: str, cohort_of: Callable[[str], Path], toy_model: Path, run: Run, tmp_path: Path) -> None:
    cohort = cohort_of(HOSTILE[name])
    before = everything(tmp_path)
    out = tmp_path / "deep" / "maps"
    given = ["--predictor", toy_model, "--method", "saliency", "--split", "all", "--device", "cpu", "--out", out]
    code, _, told = run("explain", cohort, *given)
    assert code == (3 if name == "a NUL" else 4)  # a table that holds NUL is none
    assert told.splitlines()[-1].startswith("Error: ") and "Traceback" not in told
    new = everything(tmp_path) - before
    assert all(one == "deep/maps" or one.startswith("deep/maps/") for one in new)
    if code == 4:
        assert {path.name for path in out.glob("sub-*")} == {"sub-00"}
        (row,) = list(csv.reader((out / "failures.tsv").read_text().splitlines(), delimiter="\t"))[1:]
        assert "participant_id" in " ".join(row) and not row[0].startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("label", ["../x", "/etc/passwd", "a\0b", "*", ""])
def test_a_label_on_the_command_line(label: str, toy_cohort: Path, toy_model: Path, run: Run, tmp_path: Path) -> None:
    given = ["--predictor", toy_model, "--method", "saliency", "--device", "cpu", "--out", tmp_path / "maps"]
    code, _, told = run("explain", toy_cohort, *given, "--participant-label", label)
    assert code in (2, 3)
    assert told.count("\n") == 1 and told.startswith("Error: ")
    assert not list(tmp_path.rglob("*_importance*"))


@pytest.mark.parametrize("word", ["explain", "benchmark", "fit"])
@pytest.mark.parametrize("name", ["../saliency", "saliency/../../x", "sal iency", ""])
def test_a_method_of_no_name(name: str, word: str, toy_cohort: Path, toy_model: Path, run: Run, tmp_path: Path) -> None:
    asked = "--methods" if word == "benchmark" else "--method"
    given = ["--predictor", toy_model, asked, name, "--device", "cpu", "--out", tmp_path / "out"]
    code, _, told = run(word, toy_cohort, *given)
    assert code == 2 and told.count("\n") == 1
    assert not (tmp_path / "out").exists()


@dataclass(frozen=True, kw_only=True)
class Named(Explainer):
    """Its extra maps have names of any kind."""

    def explain(self, predictor: Any, volumes: Any) -> Any:
        return volumes[:, 0]

    def explain_with_extras(self, predictor: Any, volumes: Any) -> tuple[Any, Mapping[str, Any]]:
        return volumes[:, 0], {EXTRA["name"]: volumes[:, 0]}


EXTRA = {"name": ""}


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a_b", "", "importance", "a" * 300, "a\0", "é", "="])
def test_a_map_beside_the_map_named(
    name: str,
    toy_plugin: ModuleType,
    toy_cohort: Path,
    toy_model: Path,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    toy_plugin.offer("explainer", "named", Named)
    monkeypatch.setitem(EXTRA, "name", name)
    given = ["--predictor", toy_model, "--method", "named", "--device", "cpu", "--out", tmp_path / "maps"]
    code, _, told = run("explain", toy_cohort, *given, "--participant-label", "00")
    assert code == 5
    assert "extras named by letters and digits" in told.splitlines()[-1]
    assert not list(tmp_path.rglob("*.nii.gz"))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_in_a_table(text: str, tmp_path: Path) -> None:
    write_tsv(tmp_path / "table.tsv", [{"message": text, "number": -2.5}])
    first, second = (tmp_path / "table.tsv").read_text().splitlines()[1].split("\t")
    assert first.startswith("'") and not first[1:].startswith(" ")
    assert second == "-2.5"


def test_a_formula_as_a_file_name_reaches_no_spreadsheet(
    toy_cohort: Path, toy_model: Path, run: Run, tmp_path: Path
) -> None:
    cohort = tmp_path / "cohort"
    cohort.mkdir()
    (cohort / "=1+1.nii.gz").write_bytes(b"")
    (cohort / "x.nii.gz").write_bytes((toy_cohort / "00.nii.gz").read_bytes())
    (cohort / "participants.tsv").write_text("participant_id\timage\n01\t=1+1.nii.gz\n02\tx.nii.gz\n")
    given = ["--predictor", toy_model, "--method", "saliency", "--split", "all", "--device", "cpu"]
    assert run("explain", cohort, *given, "--out", tmp_path / "maps")[0] == 4
    for row in csv.reader((tmp_path / "maps" / "failures.tsv").read_text().splitlines(), delimiter="\t"):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


@pytest.mark.parametrize("place", ["title", "about", "figure", "picture", "file name"])
def test_markup_on_a_page(place: str, tmp_path: Path) -> None:
    """What a table or a folder is called may be shown, never run."""
    picture = tmp_path / ("<img src=x onerror=alert(2)>.png" if place == "file name" else "map.png")
    picture.write_bytes(PIXEL)
    words = {name: MARKUP if name == place else "plain" for name in ("title", "about", "figure", "picture")}
    write_report_page(
        tmp_path / "index.html",
        title=words["title"],
        about=[words["about"]],
        pictures=[(words["picture"], picture)],
        figures=[Figure(words["figure"], 2.4, "years", 36, (1.9, 2.9), words["figure"])],
    )
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text and "onerror=alert(2)>" not in text.replace("&gt;", "")
    if place != "file name":
        assert "&lt;script&gt;alert" in text


@pytest.mark.slow
def test_markup_in_a_cohorts_folder_and_columns(toy_cohort: Path, toy_model: Path, run: Run, tmp_path: Path) -> None:
    cohort = tmp_path / "<img src=x onerror=alert(2)>"
    shutil.copytree(toy_cohort, cohort)
    table = cohort / "participants.tsv"
    header, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{header}\tsite", *(f"{row}\t{MARKUP}" for row in rows)]) + "\n")
    given = ["--predictor", toy_model, "--methods", "saliency", "--measures", "complexity", "--subjects", 3]
    assert run("benchmark", cohort, *given, "--no-floors", "--device", "cpu", "--out", tmp_path / "bench")[0] == 0
    text = (tmp_path / "bench" / "index.html").read_text()
    assert "&lt;img src=x onerror=alert(2)&gt;" in text  # the cohort's folder, in the command that does the same
    assert "<script>alert" not in text and "<img src=x" not in text
