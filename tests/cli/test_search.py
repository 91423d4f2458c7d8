"""`interpbench search`: words become a grid for the pipeline, and the choice is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from interpbench import pipeline

CHOICE = {
    "chosen": {"folder": "2", "options": {"v_max": 1.0, "r": 0.5}, "error": 2.614, "clean_error": 2.43},
    "unit": "years",
    "trials": [{}, {}, {}],
}
WORDS = ("search", "cohort", "--predictor", "model", "--method", "unoise", "--out", "found")


@pytest.fixture
def calls(monkeypatch):
    """What the pipeline was called with, in place of the pipeline."""
    made = []
    monkeypatch.setattr(pipeline, "search", lambda *args, **kwargs: made.append((args, kwargs)) or CHOICE)
    return made


def test_each_grid_word_is_an_option_and_its_values(run, calls):
    assert run(*WORDS, "--grid", "v_max=0.5, 1,2", "--grid", "r=0.1,0.5", "-o", "epochs=3")[0] == 0
    ((args, kwargs),) = calls
    assert args == (Path("cohort"), Path("model"), Path("found"))
    assert kwargs == {
        "method": "unoise",
        "grid": {"v_max": ["0.5", "1", "2"], "r": ["0.1", "0.5"]},
        "options": {"epochs": "3"},
        "preset": None,
        "seed": 0,
        "device": "auto",
        "cache": None,
        "images": {"max_voxels": 512**3, "nan_to_zero": False},
        "tolerance": 0.5,
    }


def test_the_choice_is_told_with_its_error_and_folder(run, calls):
    told = run(*WORDS, "--grid", "r=1")[1]
    assert told == (
        f"Chosen from 3 combinations: v_max=1.0, r=0.5; the fit is in {Path('found/2')}. Error 2.61 years,"
        f" against 2.43 years without noise; the full table is {Path('found/search.tsv')}\n"
    )


def test_the_grid_may_stand_in_a_configuration_file(run, calls, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text('[search]\ngrid = ["r=0.1,0.5"]\ntolerance = 1\n')
    assert run(*WORDS, "--config", config)[0] == 0
    assert (calls[0][1]["grid"], calls[0][1]["tolerance"]) == ({"r": ["0.1", "0.5"]}, 1.0)


SLIPS = {
    "no grid": ((), "Missing option '--grid'"),
    "no values": (("--grid", "r"), "--grid must be NAME=VALUE,VALUE,... such as r=0.1,0.5,2, got 'r'."),
    "an empty value": (("--grid", "r=1,,2"), "got 'r=1,,2'."),
    "no name": (("--grid", "=1"), "got '=1'."),
    "twice": (("--grid", "r=1", "--grid", "r=2"), "--grid gives r twice"),
    "tolerance": (("--grid", "r=1", "--tolerance", "-1"), "-1"),
}


@pytest.mark.parametrize(("words", "message"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_one_line(run, calls, words, message):
    code, _, err = run(*WORDS, *words)
    assert (code, calls) == (2, [])
    assert message in err
    assert len(err.splitlines()) == 1
