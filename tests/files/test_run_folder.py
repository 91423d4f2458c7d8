"""Files appear whole or not at all; a run folder knows whose it is and what is done."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from interpbench.errors import ConflictError, InputError, UsageError
from interpbench.files.atomic import atomic_path, read_json, sha256_of, write_json, write_text, write_tsv
from interpbench.files.run_folder import RunFolder, read_sums, sidecar_of
from interpbench.files.software import versions

MANIFEST = {"arguments": {"method": "unoise", "seed": 0}, "predictor_sha256": "ab"}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_under_its_name_only_when_whole(tmp_path):
    place = tmp_path / "new" / "map.nii.gz"
    with atomic_path(place) as temporary:
        assert temporary.parent == place.parent and temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"whole")
        assert not place.exists()
    assert place.read_bytes() == b"whole" and names(place.parent) == ["map.nii.gz"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file_and_nothing_beside_it(tmp_path, error):
    place = tmp_path / "table.tsv"
    place.write_text("old")
    with pytest.raises(error), atomic_path(place) as temporary:
        temporary.write_text("half")
        raise error
    assert place.read_text() == "old" and names(tmp_path) == ["table.tsv"]


def test_a_written_file_can_be_read_by_whom_the_umask_allows(tmp_path):
    before = os.umask(0o022)
    try:
        write_text(tmp_path / "a.txt", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644


def test_a_path_below_a_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "text")


def test_json_comes_back_as_plain_values(tmp_path):
    place = tmp_path / "a.json"
    value = {"p": Path("x/y"), "n": np.float32(0.5), "a": np.arange(3), "bad": math.nan, "é": (1, True, None)}
    write_json(place, value)
    assert read_json(place) == {"p": "x/y", "n": 0.5, "a": [0, 1, 2], "bad": None, "é": [1, True, None]}
    assert "é" in place.read_text(encoding="utf-8")


def test_what_has_no_place_in_json_is_a_bug(tmp_path):
    with pytest.raises(TypeError, match="object"):
        write_json(tmp_path / "a.json", {"x": object()})
    assert names(tmp_path) == []


def test_a_missing_or_broken_json_is_named(tmp_path):
    (tmp_path / "a.json").write_text("{")
    for name in ("a.json", "b.json"):
        with pytest.raises(InputError, match=name):
            read_json(tmp_path / name)


def test_a_table_has_all_columns_and_says_na_for_what_is_missing(tmp_path):
    rows = [{"id": "01", "age": 44.5, "ok": True}, {"id": "02", "age": math.nan, "more": np.int64(3)}]
    write_tsv(tmp_path / "a.tsv", rows, ("id", "first"))
    assert (tmp_path / "a.tsv").read_text() == (
        "id\tfirst\tage\tok\tmore\n01\tn/a\t44.5\ttrue\tn/a\n02\tn/a\tn/a\tn/a\t3\n"
    )


def test_a_table_without_rows_keeps_its_columns(tmp_path):
    write_tsv(tmp_path / "a.tsv", [], ("id", "age"))
    assert (tmp_path / "a.tsv").read_text() == "id\tage\n"


@pytest.mark.parametrize("formula", ["=1+1", "+1", "@SUM(A1)", "-2+3"])
def test_a_formula_in_text_is_disarmed(tmp_path, formula):
    write_tsv(tmp_path / "a.tsv", [{"message": formula + "\twith\na line"}])
    assert (tmp_path / "a.tsv").read_text().splitlines()[1] == f"'{formula} with a line"


def test_the_hash_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"bytes")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"bytes").hexdigest()


def test_a_new_run_records_what_was_asked_and_with_what(tmp_path):
    run = RunFolder.open(tmp_path / "out", "explain", MANIFEST)
    found = read_json(tmp_path / "out" / "manifest.json")
    assert not run.resumed and found["kind"] == "explain" and found["arguments"] == MANIFEST["arguments"]
    assert found["interpbench"] and found["versions"]["torch"] and found["started"] and found["process"]["python"]


def test_the_same_run_goes_on_whatever_the_date_process_and_wording(tmp_path):
    first = RunFolder.open(tmp_path, "explain", MANIFEST)
    told = {"command": "other words", "started": "another day", "process": {"pid": 1}}
    again = RunFolder.open(tmp_path, "explain", {**MANIFEST, **told})
    assert again.resumed and again.identity == first.identity


@pytest.mark.parametrize(
    ("kind", "manifest", "said"),
    [
        ("explain", {**MANIFEST, "arguments": {"method": "x", "seed": 0}}, 'arguments.method is "unoise" in that run'),
        ("fit", MANIFEST, 'kind is "explain" in that run'),
        ("explain", {**MANIFEST, "versions": {**versions(), "torch": "9"}}, "versions.torch is"),
        (
            "explain",
            {**MANIFEST, "arguments": {"method": "unoise"}},
            "arguments.seed is 0 in that run and null in this one",
        ),
    ],
)
def test_another_run_is_refused_and_the_difference_named(tmp_path, kind, manifest, said):
    RunFolder.open(tmp_path, "explain", MANIFEST)
    with pytest.raises(ConflictError, match="explain, started") as caught:
        RunFolder.open(tmp_path, kind, manifest)
    assert said in str(caught.value) and caught.value.exit_code == 7


def test_another_run_takes_the_folder_over_where_it_may_and_says_so(tmp_path, caplog):
    first = RunFolder.open(tmp_path, "explain", MANIFEST)
    product = first.product("01", "map.nii.gz")
    write_text(product, "a map")
    first.mark_done(product, {})
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "half.pt").write_text("half")
    other = {**MANIFEST, "arguments": {"method": "unoise", "seed": 1}}
    with caplog.at_level("WARNING", "interpbench"):
        second = RunFolder.open(tmp_path, "explain", other, anew=("checkpoints",))
    (told,) = caplog.messages
    assert "arguments.seed is 0 in that run and 1 in this one" in told and "computed again" in told
    assert not second.resumed and not second.done(product)
    assert product.exists() and not (tmp_path / "checkpoints").exists()
    assert RunFolder.open(tmp_path, "explain", other).resumed


@pytest.mark.parametrize("name", ["method", "target_class", "aggregator"])
def test_another_method_never_takes_a_folder_over(tmp_path, name):
    RunFolder.open(tmp_path, "explain", {**MANIFEST, name: "one"})
    with pytest.raises(ConflictError, match=f'{name} is "one" in that run and "other" in this one'):
        RunFolder.open(tmp_path, "explain", {**MANIFEST, name: "other"}, anew=())


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind there")
def test_a_run_at_work_keeps_its_folder_from_another_and_shares_it_with_its_like(tmp_path):
    program = (
        "import json, sys; from interpbench.files.run_folder import RunFolder;"
        "run = RunFolder.open(sys.argv[1], 'explain', json.loads(sys.argv[2])); print('at work', flush=True);"
        "sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path, json.dumps(MANIFEST)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline().strip() == b"at work"
        assert RunFolder.open(tmp_path, "explain", MANIFEST).resumed
        with pytest.raises(ConflictError, match=f"still active, started by process {process.pid} on "):
            RunFolder.open(tmp_path, "explain", {**MANIFEST, "seed": 5}, anew=())
    finally:
        process.kill()
        process.communicate()
    assert not RunFolder.open(tmp_path, "explain", {**MANIFEST, "seed": 5}, anew=()).resumed


def test_what_a_killed_process_was_writing_is_removed_but_for_runs_of_their_own(tmp_path):
    run = RunFolder.open(tmp_path, "explain", MANIFEST)
    stump = run.path / "sub-01" / ".sub-01_map.0123456789ab.tmp.nii.gz"
    other = run.path / "fitted"
    kept = [run.path / "sub-01" / ".hidden", other / ".state.0123456789ab.tmp", other / "manifest.json"]
    for place in (stump, *kept):
        write_text(place, "{}")
    del run
    assert RunFolder.open(tmp_path, "explain", MANIFEST).resumed
    assert not stump.exists() and all(place.exists() for place in kept)


def test_failures_of_other_subjects_stay_where_a_run_is_about_some(tmp_path):
    run = RunFolder.open(tmp_path, "explain", MANIFEST)
    rows = {label: {"participant_id": f"sub-{label}", "file": "f", "message": "bad"} for label in ("01", "02", "03")}
    run.write_failures([rows["03"], rows["01"]], ["01", "03", "05"])
    run.write_failures([rows["02"]], ["02", "04"])
    assert [row["participant_id"] for row in run.failures()] == ["sub-01", "sub-02", "sub-03"]
    run.write_failures([], ["01", "03"])
    assert [row["participant_id"] for row in run.failures()] == ["sub-02"]
    run.write_failures([], None)
    assert run.failures() == [] and not (tmp_path / "failures.tsv").exists()


def test_the_sums_of_a_whole_run_are_those_that_sha256sum_reads(tmp_path):
    run = RunFolder.open(tmp_path, "fit", MANIFEST)
    write_text(tmp_path / "b.txt", "b")
    write_text(tmp_path / "a.txt", "a")
    (tmp_path / "checkpoints").mkdir()
    run.end(["b.txt", "a.txt", "none.txt"], no_longer=["checkpoints", "never"])
    assert read_sums(tmp_path / "SHA256SUMS") == {name: sha256_of(tmp_path / name) for name in ("a.txt", "b.txt")}
    assert not (tmp_path / "checkpoints").exists()
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True)


def test_a_folder_of_somebody_elses_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ConflictError, match="not empty"):
        RunFolder.open(tmp_path, "explain", MANIFEST)
    with pytest.raises(ConflictError, match="is a file"):
        RunFolder.open(tmp_path / "thesis.tex", "explain", MANIFEST)
    assert names(tmp_path) == ["thesis.tex"]


def test_a_manifest_of_something_else_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ConflictError, match=r"manifest\.json"):
        RunFolder.open(tmp_path, "explain", MANIFEST)


def test_a_product_is_done_when_its_sidecar_and_bytes_say_so(tmp_path):
    run = RunFolder.open(tmp_path, "explain", MANIFEST)
    product = run.product("01", "desc-unoise_importance.nii.gz")
    assert product == tmp_path / "sub-01" / "sub-01_desc-unoise_importance.nii.gz"
    assert not run.done(product)
    with atomic_path(product) as temporary:
        temporary.write_bytes(b"map")
    assert not run.done(product)
    run.mark_done(product, {"seed": 0})
    sidecar = product.with_name("sub-01_desc-unoise_importance.json")
    assert sidecar == sidecar_of(product) and json.loads(sidecar.read_text())["seed"] == 0
    assert run.done(product) and RunFolder.open(tmp_path, "explain", MANIFEST).done(product)
    product.write_bytes(b"other")
    assert not run.done(product)


def test_a_product_of_another_run_or_with_a_broken_sidecar_is_not_done(tmp_path):
    run = RunFolder.open(tmp_path / "a", "explain", MANIFEST)
    other = RunFolder.open(tmp_path / "b", "explain", {**MANIFEST, "seed": 1})
    product = run.product("01", "map.nii")
    product.parent.mkdir()
    product.write_bytes(b"map")
    run.mark_done(product, {})
    assert run.done(product) and not other.done(product)
    for broken in ("{", "[]"):
        sidecar_of(product).write_text(broken)
        assert not run.done(product)


@pytest.mark.parametrize("label", ["../../x", "/etc/x", "a\0b", "a/b", "a\\b"])
def test_an_id_cannot_lead_out_of_the_folder(tmp_path, label):
    run = RunFolder.open(tmp_path, "explain", MANIFEST)
    with pytest.raises(UsageError, match="not a valid file name"):
        run.product(label, "map.nii.gz")


def test_failures_are_listed_and_a_stale_list_goes(tmp_path):
    run = RunFolder.open(tmp_path, "explain", MANIFEST)
    place = run.write_failures([{"participant_id": "sub-01", "file": Path("a.nii"), "message": "is empty"}])
    assert place.read_text() == "participant_id\tfile\tmessage\nsub-01\ta.nii\tis empty\n"
    assert run.write_failures([]) is None and not place.exists()


def test_store_and_cohort_start_without_heavy_imports():
    code = (
        "import sys, interpbench.files.run_folder, interpbench.cohort.subjects, interpbench.cohort.check;"
        "print([m for m in ('torch', 'monai', 'nibabel', 'nilearn', 'scipy', 'numpy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_run_that_reads_no_file_has_no_list_of_inputs(tmp_path):
    run = RunFolder.open(tmp_path / "out", "explain", MANIFEST)
    run.write_inputs([])
    assert run.inputs() == []
    (tmp_path / "a").write_text("a")
    run.write_inputs([{"what": "table", "file": tmp_path / "a", "sha256": sha256_of(tmp_path / "a")}])
    assert run.inputs() == [(tmp_path / "a", sha256_of(tmp_path / "a"))]
