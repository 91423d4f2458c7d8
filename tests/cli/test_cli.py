"""The command line: words become plain values for the pipeline, errors become one line and an exit code."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from interpbench import pipeline
from interpbench.errors import ConflictError, InputError, PluginError, ResourceError, SubjectsFailed, UsageError

FIGURES = {"n": 9, "mae": 2.5, "mae_interval": [2.0, 3.0], "mean_predictor_mae": None, "mean_predictor_interval": None}
USUAL_IMAGES = {"max_voxels": 512**3, "nan_to_zero": False}
ANSWERS = {
    "train": {"metrics": {"test": FIGURES}, "unit": "years"},
    "adopt": {"predictor": "torch", "unit": "years"},
    "explain": [],
    "aggregate": {"n": 9},
    "predict": {"n": 9, "unit": "years", "figures": {"test": FIGURES, "train": None}},
}


@pytest.fixture
def calls(monkeypatch):
    """What the pipeline was called with, in place of the pipeline."""
    made = []

    def step(name):
        return lambda *args, **kwargs: made.append((name, args, kwargs)) or ANSWERS.get(name)

    for name in ("train", "adopt", "predict", "fit", "explain", "aggregate", "demo"):
        monkeypatch.setattr(pipeline, name, step(name), raising=False)
    monkeypatch.setattr("interpbench.cli.demo.demo_figures", lambda record: "the figures")
    monkeypatch.setitem(sys.modules, "interpbench.phantom", SimpleNamespace(write_phantom=step("write_phantom")))
    return made


def raising(error):
    def step(*args, **kwargs):
        raise error

    return step


def test_phantom_has_the_defaults_of_the_demo(run, calls):
    assert run("phantom", "out")[0] == 0
    assert calls == [
        ("write_phantom", (Path("out"),), {"subjects": 240, "voxel_size": 4.0, "seed": 0, "kind": "plain"})
    ]


def test_train_has_the_papers_settings_as_defaults(run, calls):
    assert run("train", "cohort", "--out", "model")[0] == 0
    ((name, args, kwargs),) = calls
    assert (name, args) == ("train", (Path("cohort"), Path("model")))
    assert kwargs == {
        "predictor": "resnet18",
        "target": "age",
        "unit": None,
        "options": {},
        "recipe": {},
        "epochs": 40,
        "batch_size": 8,
        "learning_rate": 1e-4,
        "milestones_every": 10,
        "seed": 0,
        "device": "auto",
        "images": USUAL_IMAGES,
    }


def test_train_passes_only_those_parts_of_a_recipe_that_were_given(run, calls):
    words = ("--shape", "6x7x8", "--normalise", "volume", "--centre", "0", "-17.5", "18")
    run("train", "cohort", "--out", "model", *words)
    assert calls[0][2]["recipe"] == {"shape": (6, 7, 8), "normalise": "volume", "centre": (0.0, -17.5, 18.0)}


def test_train_and_predict_tell_the_error_with_its_interval_and_n(run, calls):
    figures = "mean absolute error 2.50 years (95 % interval 2.00 to 3.00), n = 9"
    assert figures in run("train", "cohort", "--out", "model")[1]
    assert f"test: {figures}" in run("predict", "cohort", "--predictor", "model", "--out", "ages.tsv")[1]


def test_adopt_passes_factory_weights_and_recipe(run, calls):
    grid = ("--shape", "6,7,8", "--voxel-size", "2", "--no-mask")
    words = ("--offset", "40", "-o", "bins_start=42", "--training-ages", "44", "73")
    assert run("adopt", "nets:make", "w.pt", "--out", "model", *grid, *words)[0] == 0
    ((_, args, kwargs),) = calls
    assert args == ("nets:make", Path("w.pt"), Path("model"))
    assert kwargs == {
        "options": {"bins_start": "42"},
        "recipe": {"voxel_size": 2.0, "shape": (6, 7, 8), "apply_mask": False},
        "scale": 1.0,
        "offset": 40.0,
        "unit": "years",
        "training_age_range": (44.0, 73.0),
        "target": None,
        "classes": (),
        "target_class": None,
        "accept": (),
    }


def test_predict_takes_every_subject_unless_told_otherwise(run, calls):
    run("predict", "cohort", "--predictor", "model", "--out", "ages.tsv")
    run("predict", "cohort", "--predictor", "model", "--out", "ages.tsv", "--split", "test", "--device", "cpu")
    assert calls[0] == (
        "predict",
        (Path("cohort"), Path("model"), Path("ages.tsv")),
        {
            "split": None,
            "participants": None,
            "target_class": None,
            "seed": 0,
            "device": "auto",
            "images": USUAL_IMAGES,
        },
    )
    assert (calls[1][2]["split"], calls[1][2]["device"]) == ("test", "cpu")


def test_fit_passes_method_preset_and_options(run, calls):
    words = ("--method", "unoise", "--preset", "paper", "-o", "r=2", "-o", "e=3")
    run("fit", "c", "--predictor", "m", "--out", "f", *words)
    assert calls == [
        (
            "fit",
            (Path("c"), Path("m"), Path("f")),
            {
                "method": "unoise",
                "options": {"r": "2", "e": "3"},
                "preset": "paper",
                "target_class": None,
                "seed": 0,
                "device": "auto",
                "cache": None,
                "images": USUAL_IMAGES,
            },
        )
    ]


def test_explain_takes_the_test_split_unless_told_otherwise(run, calls):
    run("explain", "c", "--predictor", "m", "--method", "unoise", "--out", "maps")
    assert calls == [
        (
            "explain",
            (Path("c"), Path("m"), Path("maps")),
            {
                "method": "unoise",
                "fitted": None,
                "options": {},
                "preset": None,
                "target_class": None,
                "split": "test",
                "participants": None,
                "batch_size": 1,
                "whole": False,
                "seed": 0,
                "device": "auto",
                "shard": None,
                "fail_fast": False,
                "images": USUAL_IMAGES,
            },
        )
    ]


def test_explain_passes_the_labels_that_were_picked(run, calls):
    words = ("--participant-label", "sub-01", "--participant-label", "02", "--split", "all", "--fitted", "f")
    run("explain", "c", "--predictor", "m", "--method", "unoise", "--out", "maps", *words)
    kwargs = calls[0][2]
    assert (kwargs["participants"], kwargs["split"], kwargs["fitted"]) == (["sub-01", "02"], None, Path("f"))


def test_aggregate_has_the_population_aggregator_as_default(run, calls):
    run("aggregate", "maps", "--out", "population", "-o", "keep=5")
    expected = {"aggregator": "population", "options": {"keep": "5"}}
    assert calls == [("aggregate", (Path("maps"), Path("population")), expected)]


def test_demo_passes_folder_and_seed(run, calls):
    code, out, _ = run("demo", "out", "--seed", "7")
    assert (code, calls) == (0, [("demo", (Path("out"),), {"seed": 7, "device": "auto"})])
    assert "the figures" in out and "index.html" in out


def test_quiet_says_nothing(run, calls):
    assert run("demo", "out", "--quiet") == (0, "", "")


@pytest.mark.parametrize(("words", "shown"), [([], "W"), (["-v"], "IW"), (["-vv"], "DIW"), (["-q"], "")])
def test_verbosity_decides_what_of_the_log_is_shown(run, calls, monkeypatch, words, shown):
    def step(*args, **kwargs):
        log = logging.getLogger("interpbench.anything")
        log.debug("D"), log.info("I"), log.warning("W")
        return ANSWERS["aggregate"]

    monkeypatch.setattr(pipeline, "aggregate", step)
    _, _, err = run("aggregate", "maps", "--out", "out", *words)
    assert "".join(line.split(": ")[1] for line in err.splitlines()) == shown


def test_the_demo_tells_its_steps_without_being_asked(run, calls, monkeypatch):
    monkeypatch.setattr(pipeline, "demo", lambda *args, **kwargs: logging.getLogger("interpbench").info("step 1"))
    _, _, err = run("demo", "out")
    assert err == "INFO: step 1\n"


def test_progress_bars_are_off_with_quiet(run, calls, monkeypatch):
    from interpbench.progress import track

    bars = []
    monkeypatch.setattr(pipeline, "demo", lambda *args, **kwargs: bars.append(track([], "x").disable))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    run("demo", "out", "--quiet")
    assert bars == [True]


@pytest.mark.parametrize(
    ("kind", "code"),
    [(UsageError, 2), (InputError, 3), (SubjectsFailed, 4), (PluginError, 5), (ResourceError, 6), (ConflictError, 7)],
)
def test_an_error_is_one_line_and_its_exit_code(run, calls, monkeypatch, kind, code):
    monkeypatch.setattr(pipeline, "demo", raising(kind("what is\nwrong")))
    assert run("demo", "out") == (code, "", "Error: what is wrong\n")


def test_twice_verbose_shows_where_an_error_comes_from(run, calls, monkeypatch):
    monkeypatch.setattr(pipeline, "demo", raising(InputError("wrong")))
    _, _, err = run("demo", "out", "-vv")
    assert "Traceback" in err
    assert err.endswith("Error: wrong\n")


@pytest.mark.parametrize("words", [(), ("-vv",)])
def test_a_bug_is_one_line_too_and_shows_its_traceback_when_asked(run, calls, monkeypatch, words):
    monkeypatch.setattr(pipeline, "demo", raising(ZeroDivisionError("a mistake\nof ours")))
    code, _, err = run("demo", "out", *words)
    assert code == 5
    assert ("Traceback" in err) == bool(words)
    line = err.splitlines()[-1]
    assert line.startswith("Error: this is a bug: ZeroDivisionError: a mistake of ours in ")
    assert "test_cli.py, line " in line


def test_ctrl_c_ends_in_130(run, calls, monkeypatch):
    monkeypatch.setattr(pipeline, "demo", raising(KeyboardInterrupt()))
    code, _, err = run("demo", "out")
    assert (code, err.strip()) == (130, "Interrupted.")


def test_an_unexpected_end_of_a_file_is_a_bug_and_not_an_interruption(run, calls, monkeypatch):
    monkeypatch.setattr(pipeline, "demo", raising(EOFError("truncated")))
    code, _, err = run("demo", "out")
    assert code == 5
    assert "EOFError: truncated" in err


USAGE = {
    "unknown command": (["expalin"], "Unknown command 'expalin'. Did you mean 'explain'? Commands: phantom, "),
    "unknown flag": (["demo", "out", "--sed", "3"], "No such option '--sed'."),
    "missing argument": (["demo"], "Missing argument 'OUT'. See `interpbench demo --help`."),
    "not a number": (["demo", "out", "--seed", "x"], "'x' is not a valid integer range."),
    "no shape": (["train", "c", "--out", "m", "--shape", "6x7"], "--shape must be three integers such as 35x44x35"),
    "flat shape": (["train", "c", "--out", "m", "--shape", "6x7x0"], "--shape must be at least 1x1x1, got '6x7x0'"),
    "no option": (["aggregate", "maps", "--out", "p", "-o", "keep"], "An option is written name=value, got 'keep'"),
    "unknown component": (
        ["methods", "resnet81"],
        "No component or measure is named 'resnet81'. Did you mean 'resnet18'?",
    ),
}


@pytest.mark.parametrize(("words", "message"), USAGE.values(), ids=USAGE)
def test_a_slip_on_the_command_line_is_one_line_and_ends_in_2(run, calls, words, message):
    code, out, err = run(*words)
    assert (code, out, calls) == (2, "", [])
    assert message in err
    assert len(err.splitlines()) == 1
