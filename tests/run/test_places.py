"""Nothing of the user's is destroyed: an output that is, holds or lies in something that is read is refused at once."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import interpbench
from interpbench.cli.group import COMMANDS
from interpbench.cli.group import interpbench as group
from interpbench.errors import UsageError
from interpbench.run.places import WRITTEN, check_places

Run = Callable[..., tuple[int, str, str]]
RECORD = {"predictor": "p", "unit": "years", "n": 1, "figures": {}, "warnings": [], "failures": []}

# What each path that a command reads is given as, below the scratch folder. Each lies in a folder of its own.
READ = {
    "cohort": "cohorts/cohort",
    "predictor": "models/model",
    "fitted": "fits/fit",
    "maps": "mapped/maps",
    "regions": "atlases/atlas.nii.gz",
    "atlas": "labels/labels.nii.gz",
    "truth": "truths/truth.nii.gz",
    "weights": "weights/weights.pt",
    "config": "settings/config.toml",
    "options": "extra/option.nii.gz",
    "grid": "more/grid.nii.gz",
    "root": "moved/data",
}
OTHERS = {
    "method": "unoise",
    "kind": "contrast",
    "factory": "os:path",
    "voxel_size": "4",
    "shape": "4x4x4",
    "grid": "r=0.5",
}
HOW = ("equal", "inside", "holds", "link", "inside a link", "hard link", "dots")


@pytest.fixture
def tree(tmp_path: Path, planted: Callable[[Path, dict[str, str]], Path]) -> Path:
    return planted(tmp_path, READ)


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.glob("**/*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def reads_of(command: str) -> list[str]:
    """The names of a command's values that may be paths and are read. A new one needs a line in `READ`."""
    paths = [
        str(one.name)
        for one in parameters(command)
        if isinstance(one.type, click.Path) or one.name in ("options", "grid")
    ]
    return [name for name in paths if name not in WRITTEN[command] and (command, name) != ("verify", "out")]


def parameters(command: str) -> list[click.Parameter]:
    found = group.get_command(click.Context(group), command)
    assert found is not None
    return found.params


def words_of(command: str, given: dict[str, object]) -> list[str]:
    """A command line with all that the command needs, and these values."""
    words, last = [command], []
    for one in parameters(command):
        value = given.get(str(one.name), OTHERS.get(str(one.name)) if one.required else None)
        if value is None:
            continue
        if isinstance(one, click.Argument):
            last.append(str(value))
        else:
            words += [max(one.opts, key=len) if one.name != "options" else "-o", *str(value).split(" ")]
    return words + last


def values(tree: Path, command: str) -> dict[str, object]:
    given: dict[str, object] = {name: tree / READ[name] for name in reads_of(command)}
    return {name: f"file={place}" if name in ("options", "grid") else place for name, place in given.items()}


def placed(tree: Path, read: Path, how: str) -> Path:
    """An output that is in conflict with what is read."""
    link = tree / "link"
    if "link" in how and not (how == "hard link" and read.is_dir()):
        (os.link if how == "hard link" else os.symlink)(read, link)
    return {
        "equal": read,
        "inside": read / "deep" / "out",
        "holds": read.parent,
        "link": link,
        "inside a link": link / "x",
        "hard link": link,
        "dots": tree / "extra" / ".." / read.relative_to(tree),
    }[how]


CASES = [
    (command, written, read, how)
    for command in COMMANDS
    for written in WRITTEN[command]
    for read in reads_of(command)
    for how in HOW
    if not (how == "hard link" and "." not in READ[read])
]


@pytest.mark.parametrize(("command", "written", "read", "how"), CASES, ids=str)
def test_an_output_is_never_in_what_is_read(
    command: str, written: str, read: str, how: str, tree: Path, run: Run
) -> None:
    out = placed(tree, tree / READ[read], how)
    before = hashes(tree)
    safe = {name: tree / "safe" / f"{name}.tsv" for name in WRITTEN[command]}
    words = words_of(command, {**values(tree, command), **safe, written: out})
    code, _, told = run(*words)
    assert code in (2, 7) and told.count("\n") == 1 and told.startswith("Error: "), told
    assert str(out) in told or str(out.parent) in told, told
    assert hashes(tree) == before and not (tree / "safe").exists()


INSIDE = [
    "participants.tsv",
    "participants.json",
    "s0.nii.gz",
    "s0_mask.nii.gz",
    "truth.nii.gz",
    "linked.nii.gz",
    "sub-01/anat/image.nii.gz",
    "../../far.nii.gz",
    "new.tsv",
    "sub-01/new.tsv",
]


@pytest.mark.parametrize("as_table", [False, True], ids=["folder", "table"])
@pytest.mark.parametrize("file", INSIDE)
@pytest.mark.parametrize("command", ["predict", "check", "explain", "aggregate"])
def test_nothing_that_a_cohort_names_is_replaced(command: str, file: str, as_table: bool, tree: Path, run: Run) -> None:
    cohort = tree / READ["cohort"]
    before = hashes(tree)
    given = {**values(tree, command), "cohort": cohort / "participants.tsv" if as_table else cohort}
    written = next(iter(WRITTEN[command]))
    if file == "new.tsv" and (as_table or command == "aggregate"):  # beside a table one may write
        known = {name: one for name, one in given.items() if name in reads_of(command)}
        check_places(command, {**known, written: cohort / file})
        return
    code, _, told = run(*words_of(command, {**given, written: cohort / file}))
    assert code == 2 and told.count("\n") == 1, told
    assert hashes(tree) == before


@pytest.mark.parametrize(
    ("out", "of"),
    [
        ("models/model/model.tsv", "model.json"),
        ("cohorts/cohort/participants.txt", "participants.json"),
        ("elsewhere/x.json", "x.json"),
    ],
)
def test_the_record_beside_a_table_replaces_nothing(out: str, of: str, tree: Path, run: Run) -> None:
    before = hashes(tree)
    given = {**values(tree, "predict"), "cohort": tree / READ["cohort"] / "participants.tsv", "out": tree / out}
    code, _, told = run(*words_of("predict", given))
    assert code == 2 and told.count("\n") == 1 and hashes(tree) == before, told


@pytest.mark.parametrize("command", ["predict", "check"])
@pytest.mark.parametrize("content", ["", "text", "{}", "[]", '{"table": 1}', "\ufeff{"])
@pytest.mark.parametrize("beside", ["table", "record", "both", "a folder"])
def test_a_foreign_file_is_never_replaced(command: str, content: str, beside: str, tree: Path, run: Run) -> None:
    out, record = tree / "mine.tsv", tree / "mine.json"
    for file in {"table": [out], "record": [record], "both": [out, record], "a folder": []}[beside]:
        file.write_text(content)
    if beside == "a folder":
        out.mkdir()
    if command == "check" and beside == "record":
        out = record
    before = hashes(tree)
    code, _, told = run(*words_of(command, {**values(tree, command), next(iter(WRITTEN[command])): out}))
    assert code in (2, 7) and told.count("\n") == 1 and "mine" in told, told
    assert hashes(tree) == before


def test_a_table_of_its_own_is_made_anew(tree: Path) -> None:
    (tree / "mine.tsv").write_text("participant_id\n")
    (tree / "mine.json").write_text(json.dumps(RECORD))
    check_places("predict", {"cohort": tree / READ["cohort"], "out": tree / "mine.tsv"})
    (tree / "found.json").write_text(json.dumps({"table": "x", "subjects": 1, "problems": []}))
    check_places("check", {"cohort": tree / READ["cohort"], "json_out": tree / "found.json"})


@pytest.mark.parametrize("command", [name for name in COMMANDS if WRITTEN[name].get("out") in ("run", "folder")])
@pytest.mark.parametrize("what", ["a file", "a folder", "a folder with another's manifest"])
def test_what_is_anothers_is_not_written_into(command: str, what: str, tree: Path, run: Run) -> None:
    out = tree / "mine"
    if what == "a file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "index.html").write_text("mine")
        (out / ".x.0123456789ab.tmp").write_text("mine")
    if "manifest" in what:
        (out / "manifest.json").write_text('{"name": "an app"}')
        command = "train" if command == "demo" else command
    before = hashes(tree)
    code, _, told = run(*words_of(command, {**values(tree, command), "out": out, "grid": "r=0.5"}))
    assert told.count("\n") == 1 and hashes(tree) == before, told
    assert code == 7 or "manifest" in what, told


def calls(tree: Path, out: Path) -> Iterator[Callable[[], Any]]:
    at = {name: tree / place for name, place in READ.items()}
    two = (at["cohort"], at["predictor"], out)
    yield lambda: interpbench.train(at["cohort"], out)
    yield lambda: interpbench.plant(at["cohort"], out, kind="lesion")
    yield lambda: interpbench.plant(at["cohort"], out, kind="lesion", atlas=at["atlas"])
    yield lambda: interpbench.adopt("os:path", at["weights"], out, recipe={"shape": (4, 4, 4), "voxel_size": 4})
    yield lambda: interpbench.predict(*two)
    yield lambda: interpbench.fit(*two, method="unoise")
    yield lambda: interpbench.search(*two, method="unoise", grid={"r": [0.5]})
    yield lambda: interpbench.explain(*two, method="saliency")
    yield lambda: interpbench.aggregate(at["maps"], out)
    yield lambda: interpbench.benchmark(*two)


def test_the_python_api_is_as_safe(tree: Path) -> None:
    names = ["cohort", "cohort", "atlas", "weights", *["predictor"] * 4, "maps", "predictor"]
    parents = [READ[name] for name in names]
    before = hashes(tree)
    for number, place in enumerate(parents):
        for out in (tree / place, (tree / place).parent):
            with pytest.raises(UsageError, match=r"itself|holds|lies in|is a folder"):
                list(calls(tree, out))[number]()
    assert hashes(tree) == before


def test_torch_is_not_loaded_to_refuse(tree: Path) -> None:
    program = (
        "import sys, json\n"
        "from interpbench.cli import main\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    try: main(words)\n"
        "    except SystemExit as ended: print(ended.code)\n"
        "print('torch' in sys.modules, 'nibabel' in sys.modules)\n"
    )
    lines = []
    for command in COMMANDS:
        for name in WRITTEN[command]:
            read = reads_of(command)[0]
            lines.append(words_of(command, {**values(tree, command), name: tree / READ[read]}))
    words = [sys.executable, "-c", program, json.dumps(lines)]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    *codes, loaded = ended.stdout.splitlines()
    assert set(codes) == {"2"} and len(codes) == len(lines) and loaded == "False False", ended
