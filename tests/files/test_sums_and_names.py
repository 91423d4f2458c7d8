"""A run's lists of its files: what was written comes back, whatever the names, and from wherever it is read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from interpbench.errors import InputError, UsageError
from interpbench.files.run_folder import RunFolder, path_from, read_sums, sidecar_of

ODD_NAMES = [
    "plain.tsv",
    "two  spaces.tsv",
    "größe.png",
    "карта.nii.gz",
    "a\u2028line.tsv",
    "a\x85line.tsv",
    "form\x0cfeed.tsv",
    "unit\x1cseparator.tsv",
]


def run_in(folder: Path, **manifest: object) -> RunFolder:
    return RunFolder.open(folder, "explain", {"arguments": {"method": "unoise"}, **manifest})


@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_sum_of_a_file_comes_back_under_its_name(name: str, tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    (run.path / name).write_bytes(name.encode())
    run.end([name, "not there.tsv"])
    assert read_sums(run.path / "SHA256SUMS") == {name: hashlib.sha256(name.encode()).hexdigest()}


def test_sums_are_in_the_order_of_names_whatever_order_they_are_given_in(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    for name in ODD_NAMES:
        (run.path / name).write_bytes(b"")
    run.end(reversed(ODD_NAMES))
    before = (run.path / "SHA256SUMS").read_bytes(), (run.path / "SHA256SUMS").stat().st_mtime_ns
    assert list(read_sums(run.path / "SHA256SUMS")) == sorted(ODD_NAMES)
    run.end(ODD_NAMES)
    assert ((run.path / "SHA256SUMS").read_bytes(), (run.path / "SHA256SUMS").stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    ("text", "names"),
    [("", []), ("\n\n", []), ("ab  x", ["x"]), ("ab  x\r\ncd  y\r\n", ["x", "y"]), ("ab  x\nab  x\n", ["x"])],
)
def test_a_list_of_sums_may_be_empty_and_end_its_lines_as_windows_does(
    text: str, names: list[str], tmp_path: Path
) -> None:
    (tmp_path / "SHA256SUMS").write_bytes(text.encode())
    assert list(read_sums(tmp_path / "SHA256SUMS")) == names


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_list_that_is_no_text_or_not_there_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "SHA256SUMS"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="SHA256SUMS: cannot be read") as caught:
        read_sums(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("product", "sidecar"),
    [
        ("sub-01_importance.nii.gz", "sub-01_importance.json"),
        ("sub-01_importance.nii", "sub-01_importance.json"),
        ("sub-01_curve.tsv", "sub-01_curve.json"),
        ("sub-01_desc-a.b_map.nii.gz", "sub-01_desc-a.b_map.json"),
        ("sub-01_x.tar.gz", "sub-01_x.json"),
        ("sub-01_nothing", "sub-01_nothing.json"),
        ("sub-größe_карта.nii.gz", "sub-größe_карта.json"),
    ],
)
def test_the_sidecar_has_the_products_name_without_its_ending(product: str, sidecar: str) -> None:
    assert sidecar_of(Path("some.folder") / product) == Path("some.folder") / sidecar


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("study/out/run/weights.pt", "weights.pt"),
        ("study/out/run/sub/a.nii.gz", "sub/a.nii.gz"),
        ("study/out/images/a.nii.gz", "../images/a.nii.gz"),
        ("study/out/run2/a.nii.gz", "../run2/a.nii.gz"),
        ("study/images/a.nii.gz", "{root}/study/images/a.nii.gz"),
        ("study/outside/a.nii.gz", "{root}/study/outside/a.nii.gz"),
    ],
)
def test_a_file_in_or_beside_the_run_is_named_from_there_and_others_in_full(
    file: str, named: str, tmp_path: Path
) -> None:
    assert path_from(tmp_path / "study/out/run", tmp_path / file) == named.format(root=tmp_path)


@pytest.mark.parametrize(
    "name", ["two  blanks.nii", "hard\u00a0blank.nii", "a\u2028line.nii", "größe.nii", "-x.nii", "it's.nii"]
)
@pytest.mark.parametrize("folder", ["run", "beside"])
def test_an_input_comes_back_under_its_own_name(name: str, folder: str, tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    place = tmp_path / folder / "images" / name
    run.write_inputs([{"what": "image", "file": place, "sha256": "ab"}])
    assert run.inputs() == [(place, "ab")]


def test_inputs_are_found_again_after_their_folder_has_moved(tmp_path: Path) -> None:
    run = run_in(tmp_path / "study" / "run")
    beside, far = tmp_path / "study" / "größe  1.nii", tmp_path / "far.nii"
    row = {"what": "image", "sha256": "ab"}
    run.write_inputs([{**row, "file": beside}, {**row, "file": far}])
    assert run.inputs() == [(beside, "ab"), (far, "ab")]
    (tmp_path / "study").rename(tmp_path / "moved")
    moved = run_in(tmp_path / "moved" / "run")
    assert moved.resumed and moved.inputs() == [(tmp_path / "moved" / beside.name, "ab"), (far, "ab")]


@pytest.mark.parametrize("name", ["a/b.tsv", "../x", "a\\b", "a\0b", "/etc"])
def test_neither_part_of_a_products_path_leads_elsewhere(name: str, tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    for subject, file in ((name, "x.tsv"), ("01", name)):
        with pytest.raises(UsageError, match="is not a valid file name below"):
            run.product(subject, file)
    assert run.product("..", "..") == tmp_path / "run" / "sub-.." / "sub-.._.."  # these are names


@pytest.mark.parametrize(
    ("changed", "is_another"),
    [
        ({"arguments": {"seed": 0, "method": "unoise"}}, True),
        ({"arguments": {"method": "unoise"}, "started": "later"}, False),
        ({"process": {"pid": 1}}, False),
        ({"command": {"line": "x"}}, False),
        ({"none": None}, True),
        ({"kind": "train"}, True),
    ],
)
def test_a_runs_identity_is_all_but_date_process_and_command(
    changed: dict[str, object], is_another: bool, tmp_path: Path
) -> None:
    manifest = {"kind": "explain", "arguments": {"method": "unoise"}, "versions": {"b": "1", "a": "2"}}
    one = RunFolder(tmp_path, manifest)
    assert (RunFolder(tmp_path, {**manifest, **changed}).identity != one.identity) is is_another
    assert RunFolder(tmp_path, dict(reversed(manifest.items()))).identity == one.identity


def test_failures_about_some_keep_those_of_others_and_end_with_the_last(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")

    def row(label: str, message: str) -> dict[str, object]:
        return {"participant_id": f"sub-{label}", "file": None, "message": message}

    run.write_failures([row("2", "old"), row("1", "old"), row("10", "tab\tand größe")])
    run.write_failures([row("2", "new")], about=["2", "3"])
    told = {one["participant_id"]: one["message"] for one in run.failures()}
    assert (told["sub-1"], told["sub-2"]) == ("old", "new") and list(told) == ["sub-1", "sub-10", "sub-2"]
    assert "größe" in str(told["sub-10"])
    run.write_failures([], about=["1", "2"])
    assert [one["participant_id"] for one in run.failures()] == ["sub-10"]
    assert run.write_failures([], about=["10"]) is None and run.failures() == []
    assert not (run.path / "failures.tsv").exists() and not list(run.path.glob(".failures*"))
