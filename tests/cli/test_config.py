"""`--config FILE.toml`: values below those of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from interpbench import pipeline


@pytest.fixture
def calls(monkeypatch):
    """What the pipeline was called with, in place of the pipeline."""
    made = []

    def step(name):
        return lambda *args, **kwargs: made.append((name, args, kwargs)) or answers.get(name)

    answers = {"adopt": {"predictor": "torch", "unit": "years"}, "explain": [], "aggregate": {"n": 9}}
    answers["benchmark"] = {"verdict": []}
    for name in ("adopt", "fit", "explain", "aggregate", "benchmark", "demo"):
        monkeypatch.setattr(pipeline, name, step(name), raising=False)
    return made


def test_a_configuration_file_gives_what_the_command_line_does_not(run, calls, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text('seed = 3\ndevice = "cpu"\nepochs = 9\n[fit]\nmethod = "unoise"\nseed = 5\n')
    run("fit", "c", "--predictor", "m", "--out", "f", "--config", config)
    run("fit", "c", "--predictor", "m", "--out", "f", "--config", config, "--seed", "8", "--method", "other")
    assert [(call[2]["method"], call[2]["seed"], call[2]["device"]) for call in calls] == [
        ("unoise", 5, "cpu"),
        ("other", 8, "cpu"),
    ]


def test_options_of_a_component_come_from_the_file_one_by_one(run, calls, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text("[aggregate.options]\nkeep = 5\nsigma = 2.0\n")
    run("aggregate", "maps", "--out", "p", "--config", config, "-o", "keep=7")
    assert calls[0][2]["options"] == {"keep": "7", "sigma": 2.0}


def test_a_configuration_file_may_write_words_as_the_command_line_does(run, calls, tmp_path):
    config = tmp_path / "run.toml"
    grid = "voxel_size = 3\nshape = [6, 7, 8]\nmask = false"
    config.write_text(f"[adopt]\n{grid}\n[explain]\nbatch-size = 2\nparticipant-label = ['01']\n")
    run("adopt", "nets:make", "w.pt", "--out", "m", "--config", config)
    run("explain", "c", "--predictor", "m", "--method", "x", "--out", "maps", "--config", config)
    assert calls[0][2]["recipe"] == {"voxel_size": 3.0, "shape": (6, 7, 8), "apply_mask": False}
    assert (calls[1][2]["batch_size"], calls[1][2]["participants"]) == (2, ["01"])


@pytest.mark.parametrize("value", ["'seed0'", "['seed0']", "['seed0', 'seed1']"])
def test_an_option_that_may_be_repeated_takes_one_value_or_a_list(run, calls, tmp_path, value):
    config = tmp_path / "run.toml"
    config.write_text(f"predictor = {value}\nfitted = 'fit'\n")
    run("benchmark", "c", "--out", "b", "--config", config)
    ((name, (_, predictors, _), settings),) = calls
    assert name == "benchmark" and predictors == [Path(f"seed{number}") for number in range(len(predictors))]
    assert len(predictors) == value.count("seed") and settings["fitted"] == (Path("fit"),)


CONFIGS = {
    "no TOML": ("seed = ", 3, "is not a valid TOML file"),
    "unknown option": ("sed = 3", 2, "unknown option 'sed'. Did you mean 'seed'?"),
    "unknown option of a command": ("[demo]\nsed = 3", 2, "[demo]: unknown option 'sed'. Did you mean 'seed'?"),
    "option of another command": ("[demo]\nepochs = 3", 2, "[demo]: unknown option 'epochs'."),
    "unknown command": ("[dmo]\nseed = 3", 2, "unknown command 'dmo'. Did you mean 'demo'?"),
    "wrong value": ("[demo]\nseed = -1", 2, "-1 is not in the range"),
}


@pytest.mark.parametrize(("text", "code", "message"), CONFIGS.values(), ids=CONFIGS)
def test_a_slip_in_a_configuration_file_is_one_line(run, calls, tmp_path, text, code, message):
    config = tmp_path / "run.toml"
    config.write_text(text)
    ended, _, err = run("demo", "out", "--config", config)
    assert (ended, calls) == (code, [])
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_configuration_file_that_is_not_there_is_one_line(run, calls, tmp_path):
    code, _, err = run("demo", "out", "--config", tmp_path / "none.toml")
    assert code == 3
    assert err == f"Error: {tmp_path / 'none.toml'}: No such file or directory.\n"
