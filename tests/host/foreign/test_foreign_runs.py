"""Whatever a component raises in a run: one line, the right exit code, and the other subjects and methods go on."""

from __future__ import annotations

import csv
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import interpbench
from interpbench import explain
from interpbench.errors import InterpbenchError, PluginError, SubjectsFailed
from interpbench.pipeline import fit, predict
from interpbench.pipeline.fitted import load_fitted
from interpbench.predictor.model import load_predictor

pytestmark = pytest.mark.timeout(60)  # a walk that never ends is what these tests are for


SOME = [
    "UsageError",
    "NotApplicable",
    "SubjectsFailed",
    "a full disk",
    "StopIteration",
    "GeneratorExit",
    "an exit in order",
    "its own cause",
    "a message that fails",
    "an own error that is its own cause",
    "an own error whose exit code says success",
]


@pytest.mark.slow
@pytest.mark.parametrize("way", SOME)
@pytest.mark.parametrize("part", ["fit", "state", "record", "with_state", "with_record"])
def test_of_a_learned_method_that_raises(
    part: str,
    way: str,
    offered: Any,
    few: Path,
    tmp_path: Path,
    errors: Any,
    boom: Any,
    check: Any,
    components: types.SimpleNamespace,
) -> None:
    offered(components.Learner, "nothing" if part.startswith("with") else part)
    boom.due = errors[way][0]

    def fit_and_load() -> None:
        fit(few, "alone", tmp_path / "fitted", method="learner", device="cpu")
        offered(components.Learner, part)
        load_fitted(tmp_path / "fitted", load_predictor("alone"))

    with pytest.raises(InterpbenchError) as caught:
        fit_and_load()
    check(caught.value, errors[way][1])


@pytest.mark.parametrize("returned", [None, 7, "text"])
def test_of_a_fit_that_returns_no_explainer(
    returned: object,
    offered: Any,
    few: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    components: types.SimpleNamespace,
) -> None:
    offered(components.Alone, "nothing")
    monkeypatch.setattr(components.Learner, "fit", lambda self, predictor, training, validation: returned)
    with pytest.raises(PluginError, match="must return a fitted explainer from `fit`"):
        fit(few, "alone", tmp_path / "fitted", method="learner", device="cpu")


def failures(folder: Path) -> dict[str, str]:
    with (folder / "failures.tsv").open() as file:
        return {row["participant_id"]: row["message"] for row in csv.DictReader(file, delimiter="\t")}


def test_of_subjects_for_whom_a_method_raises_each_is_listed_and_the_others_have_maps(
    toy_cohort: Path, offered: Any, tmp_path: Path, errors: Any, boom: Any, components: types.SimpleNamespace
) -> None:
    """Every error in one run, on every other subject, twice: as many as there are subjects."""
    offered(components.Alone, "nothing")
    for start in range(0, len(errors), 20):
        ways = list(errors)[start : start + 20]
        boom.turns = [name for way in ways for name in (way, "")] + [""] * 40
        out = tmp_path / str(start)
        with pytest.raises(SubjectsFailed, match=f"{len(ways)} of 40 subjects failed"):
            explain(toy_cohort, "alone", out, method="method", device="cpu", split=None)
        assert len(list(out.glob("sub-*/*.nii.gz"))) == 40 - len(ways)
        listed = failures(out)
        assert sorted(listed) == [f"sub-{2 * turn:02d}" for turn in range(len(ways))]
        assert all(listed.values())


def test_of_subjects_for_whom_the_predictor_raises_each_is_listed_and_the_others_have_numbers(
    toy_cohort: Path, offered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errors: Any, boom: Any
) -> None:
    monkeypatch.setattr("interpbench.run.study.try_before_use", lambda *_: ())
    for start in range(0, len(errors), 20):
        ways = list(errors)[start : start + 20]
        boom.turns = [name for way in ways for name in (way, "")] + [""] * 40
        out = tmp_path / f"{start}.tsv"
        with pytest.raises(SubjectsFailed, match=f"{len(ways)} of 40 subjects failed"):
            predict(toy_cohort, "alone", out, device="cpu")
        assert out.read_text().count("\n") == 41 - len(ways)


@pytest.mark.parametrize("way", [*SOME, "InputError", "ConflictError", "InterpbenchError", "MemoryError"])
def test_where_every_subject_fails_alike_the_run_ends_in_that_errors_code(
    way: str,
    few: Path,
    offered: Any,
    tmp_path: Path,
    run: Callable[..., tuple[int, str, str]],
    errors: Any,
    boom: Any,
    components: types.SimpleNamespace,
) -> None:
    make, code = errors[way]
    boom.turns = [""] * 2  # of the check of the predictor, which is not meant
    offered(components.Alone, "nothing")
    boom.turns, boom.due = [], make
    words = ["--predictor", "alone", "--method", "method", "--device", "cpu", "--out", tmp_path / "maps"]
    ended, _, said = run("explain", few, *words)
    last = said.splitlines()[-1]
    assert (ended, last.startswith("Error: None of 2 subjects could be explained: ")) == (code, True), said
    assert "this is a bug" not in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("turns", "code", "called", "told"),
    [
        (["NotApplicable"] * 40, 5, 2, []),
        (["UsageError"] * 40, 2, 2, []),
        (["ValueError"] * 40, 5, 40, ["sub-00: method", "sub-00 ... and 39 more subjects with the same error"]),
        (["ValueError", "NotApplicable", "NotApplicable", *[""] * 37], 5, 3, ["sub-00: method"]),
        (["NotApplicable", *[""] * 39], 4, 40, ["sub-00: what is wrong"]),
        (
            ["", "UsageError", "UsageError", *[""] * 37],
            4,
            40,
            ["sub-01: what is wrong", "sub-01 ... and 1 more subject with the same error"],
        ),
    ],
)
def test_one_cause_is_told_once_and_what_the_method_says_of_the_network_ends_the_run(
    turns: list[str],
    code: int,
    called: int,
    told: list[str],
    toy_cohort: Path,
    offered: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    boom: Any,
    components: types.SimpleNamespace,
) -> None:
    offered(components.Alone, "nothing")
    boom.turns = list(turns)
    with caplog.at_level("WARNING", "interpbench"), pytest.raises(InterpbenchError) as caught:
        explain(toy_cohort, "alone", tmp_path / "o", method="method", device="cpu", split=None)
    assert (caught.value.exit_code, 40 - len(boom.turns)) == (code, called)
    found = [one.removeprefix("no map: ") for one in caplog.messages if one.startswith("no map")]
    assert len(found) == len(told) and all(one.startswith(start) for one, start in zip(found, told, strict=True))
    wrong = 40 if code != 4 else sum(map(bool, turns))
    assert len(failures(tmp_path / "o")) == wrong


@pytest.mark.parametrize("part", ["add", "add_brain", "result", "caption"])
def test_an_aggregator_that_fails_ends_the_command_in_one_line(
    part: str,
    few: Path,
    offered: Any,
    tmp_path: Path,
    run: Callable[..., tuple[int, str, str]],
    errors: Any,
    boom: Any,
    components: types.SimpleNamespace,
) -> None:
    offered(components.Alone, "nothing")
    explain(few, "alone", tmp_path / "maps", method="method", device="cpu")
    offered(components.Adder, part)
    boom.due = errors["its own cause"][0]
    code, _, said = run("aggregate", tmp_path / "maps", "--aggregator", "adder", "--out", tmp_path / "population")
    assert code == 5 and said.splitlines()[-1].startswith("Error: aggregator 'adder' failed: ValueError")


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("way", ["an own error that is its own cause", "no pickle of it", "an exit in order"])
def test_a_metric_that_fails_leaves_a_benchmark_to_the_others(
    way: str,
    processes: int,
    few: Path,
    offered: Any,
    toy_plugin: types.ModuleType,
    tmp_path: Path,
    errors: Any,
    boom: Any,
    components: types.SimpleNamespace,
) -> None:
    toy_plugin.offer("metric", "measuring", components.Measuring)
    offered(components.Alone, "nothing")
    explain(few, "alone", tmp_path / "maps", method="method", device="cpu")
    boom.due = errors[way][0]
    interpbench.benchmark(
        few,
        "alone",
        tmp_path / "bench",
        methods=["method"],
        maps=[tmp_path / "maps"],
        floors=False,
        measures=["measuring", "complexity"],
        blur=0,
        processes=processes,
        device="cpu",
    )
    with (tmp_path / "bench" / "measures.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["value"] for row in rows if row["measure"] == "number"} == {"n/a"}
    assert all(row["note"] for row in rows if row["measure"] == "number")
    assert any(row["value"] != "n/a" for row in rows if row["measure"] != "number")


REAL = """
    import sys
    from torch import nn
    import torch, interpbench
    from interpbench.cli import main

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Sequential(nn.Flatten(), nn.Linear(960, 1))
        def forward(self, x):
            return self.last(x)

    sys.modules["plain_network"] = sys.modules["__main__"]
    cohort, folder = sys.argv[1:]
    torch.manual_seed(0)
    torch.save(Plain().state_dict(), folder + "/plain.pt")
    interpbench.adopt("plain_network:Plain", folder + "/plain.pt", folder + "/model",
                      recipe={"shape": (10, 12, 8), "voxel_size": 4.0})
    for method, *words in (["gradcam"], ["guidedbackprop"], ["occlusion", "-o", "box=99"],
                           ["captumocclusion", "-o", "box=99"], ["occlusion"]):
        try:
            main(["explain", cohort, "--predictor", folder + "/model", "--method", method, "--device", "cpu",
                  "--participant-label", "00", "--participant-label", "03", "--out", folder + "/" + method, *words])
        except SystemExit as ended:
            print(method, *words, ended.code, flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_process_ends_in_time_whatever_its_methods_refuse(few: Path, tmp_path: Path) -> None:
    script = tmp_path / "real.py"
    script.write_text(textwrap.dedent(REAL))
    ended = subprocess.run(
        [sys.executable, script, few, tmp_path], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    codes = [line for line in ended.stdout.splitlines() if not line.startswith("Maps written to ")]
    assert codes == [
        "gradcam 5",
        "guidedbackprop 5",
        "occlusion -o box=99 2",
        "captumocclusion -o box=99 2",
        "occlusion 0",
    ]
    assert ended.stderr.count("Error: ") == 4 and "Traceback" not in ended.stderr
