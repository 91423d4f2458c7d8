"""`search`: every combination is fitted, and the choice follows its rule."""

from __future__ import annotations

import json
import math
import types
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import pytest
import torch

from interpbench import Explainer, check_options, load_predictor, option, search
from interpbench.errors import ConflictError, PluginError, UsageError
from interpbench.pipeline.choosing import Trial, choose_trial
from interpbench.pipeline.fitted import load_fitted

FITS: list[tuple[float, float]] = []


@dataclass(frozen=True, kw_only=True)
class Curtain(Explainer):
    """Hides `high - low`, which costs the predictor `cost` a unit; learns nothing."""

    learned: ClassVar[bool] = True

    low: float = option(0.0, "least")
    high: float = option(1.0, "most")
    cost: float = option(0.1, "error a unit")
    seed: int = option(0, "seed")
    _record = MappingProxyType({})

    def __post_init__(self):
        check_options(self)
        if self.high <= self.low:
            raise UsageError(f"high must be above low ({self.low:g}), got {self.high:g}.")

    def fit(self, predictor, training, validation):
        FITS.append((self.low, self.high))
        if self.high > 90:
            raise PluginError("drowned")
        hidden = self.high - self.low
        error = 2.0 + self.cost * hidden if self.high < 50 else math.nan
        found = {"error": error, "clean_error": 2.0, "amount": hidden, "unit": "years", "amount_name": "gap"}
        fitted = Curtain(low=self.low, high=self.high, cost=self.cost, seed=self.seed)
        record = {"selection": found, "diagnostics": {"flat": True, "curve": [1.0]}, "warnings": [f"gap of {hidden}"]}
        object.__setattr__(fitted, "_record", record)
        return fitted

    def state(self):
        return {"gap": torch.tensor([self.high - self.low])}

    @property
    def record(self):
        return dict(self._record)

    def explain(self, predictor, volumes):
        return volumes[:, 0].abs()


class Silent(Curtain):
    record: ClassVar = {"curve": [1.0]}

    def fit(self, predictor, training, validation):
        return self


class Fixed(Explainer):
    def explain(self, predictor, volumes):
        return volumes[:, 0].abs()


@pytest.fixture(autouse=True)
def methods(toy_plugin: types.ModuleType) -> None:
    FITS.clear()
    for name, method in {"curtain": Curtain, "silent": Silent, "fixed": Fixed}.items():
        toy_plugin.offer("explainer", name, method)


@pytest.fixture
def run(toy_cohort: Path, toy_model: Path, tmp_path: Path):
    """A function that searches, with `curtain` unless told otherwise."""

    def run(grid, out="search", **settings):
        asked = {"method": "curtain", "device": "cpu", **settings}
        return search(toy_cohort, toy_model, tmp_path / out, grid=grid, **asked)

    return run


@pytest.mark.slow
def test_every_combination_is_fitted_and_the_last_option_varies_fastest(run, tmp_path: Path) -> None:
    record = run({"low": ["0", "1"], "high": ["2", "3"]})
    assert FITS == [(0, 2), (0, 3), (1, 2), (1, 3)]
    assert [(row["folder"], row["low"], row["high"]) for row in record["trials"]] == [
        ("1", 0, 2),
        ("2", 0, 3),
        ("3", 1, 2),
        ("4", 1, 3),
    ]
    assert all((tmp_path / "search" / row["folder"] / "fitted.json").is_file() for row in record["trials"])


@pytest.mark.slow
def test_of_those_within_the_tolerance_the_one_that_hides_most_is_chosen(run) -> None:
    record = run({"high": [2, 4, 6, 8]}, tolerance=0.65)
    assert record["chosen"]["folder"] == "3"
    assert record["chosen"]["options"] == {"high": 6.0}
    assert (record["chosen"]["error"], record["chosen"]["clean_error"], record["chosen"]["amount"]) == (2.6, 2.0, 6.0)
    assert record["within_tolerance"] is True
    assert record["rule"] == (
        "the largest gap among the combinations whose error on the validation split is at most 0.65 years above the"
        " error without noise"
    )
    assert record["warnings"] == ["high=6.0: gap of 6.0"]


@pytest.mark.slow
def test_where_none_is_within_it_the_smallest_error_is_taken_and_said_so(run, caplog) -> None:
    record = run({"high": [8, 4, 6]}, tolerance=0.1)
    assert (record["chosen"]["options"], record["within_tolerance"]) == ({"high": 4.0}, False)
    assert "No combination keeps the error within 0.1 years of 2.00 years" in record["warnings"][0]
    assert record["warnings"][0] in caplog.text


@pytest.mark.slow
def test_what_is_chosen_can_be_loaded_as_any_fit(run, toy_model: Path, tmp_path: Path) -> None:
    record = run({"high": [2, 3]})
    fitted = load_fitted(tmp_path / "search" / record["chosen"]["folder"], load_predictor(toy_model), method="curtain")
    assert isinstance(fitted, Curtain)
    assert fitted.high == 3.0


@pytest.mark.slow
def test_table_and_picture_show_what_it_was_chosen_by(run, tmp_path: Path) -> None:
    record = run({"high": [2, 3]}, options={"cost": "0.2"}, seed=4)
    names, *rows = [line.split("\t") for line in (tmp_path / "search/search.tsv").read_text().splitlines()]
    assert names == ["folder", "high", "chosen", "error", "clean_error", "amount", "flat", "failure"]
    assert rows == [
        ["1", "2.0", "true", "2.4", "2.0", "2.0", "true", "n/a"],
        ["2", "3.0", "false", "2.6", "2.0", "3.0", "true", "n/a"],
    ]
    assert (tmp_path / "search/search.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "search/search.json").read_text()) == record


@pytest.mark.slow
def test_the_same_search_again_fits_nothing_and_may_choose_by_another_tolerance(run) -> None:
    first = run({"high": [2, 8]}, tolerance=0.3)
    assert run({"high": ["2", "8"]}, tolerance=0.3) == first
    assert run({"high": [2, 8]}, tolerance=5.0)["chosen"]["folder"] == "2"
    assert len(FITS) == 2
    with pytest.raises(ConflictError, match="combinations is"):
        run({"high": [2, 9]})


@pytest.mark.slow
def test_an_interrupted_search_goes_on(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self, *rest):
        raise KeyboardInterrupt

    whole = Curtain.fit
    with monkeypatch.context() as patch:
        patch.setattr(Curtain, "fit", lambda self, *rest: (interrupted if self.high > 2 else whole)(self, *rest))
        with pytest.raises(KeyboardInterrupt):
            run({"high": [2, 3]})
    run({"high": [2, 3]})
    assert FITS == [(0, 2), (0, 3)]


@pytest.mark.slow
def test_a_combination_that_the_method_does_not_allow_is_left_out_and_told(run, caplog) -> None:
    record = run({"low": [0, 3], "high": [2, 4]})
    assert [row["low"] for row in record["trials"]] == [0, 0, 3]
    assert "excluded: low=3, high=2: high must be above low (3), got 2." in caplog.text


def test_a_value_that_no_combination_allows_is_the_users_mistake(run) -> None:
    with pytest.raises(UsageError, match="high must be above low"):
        run({"low": [0, 5], "high": [2, 4]})
    assert FITS == []


def test_values_that_are_the_same_are_fitted_once(run) -> None:
    assert len(run({"high": ["2", "2.0", 2]})["trials"]) == 1


@pytest.mark.slow
def test_a_combination_whose_fit_fails_or_measures_no_number_is_never_chosen(run) -> None:
    record = run({"high": [99, 2, 60]}, tolerance=50)
    assert record["chosen"]["folder"] == "2"
    assert [row["failure"] for row in record["trials"]] == ["drowned", None, None]
    assert record["trials"][2]["error"] is None
    assert record["warnings"][0] == "high=99.0: could not be fitted: drowned"


def test_when_every_fit_fails_the_first_says_why(run) -> None:
    with pytest.raises(PluginError, match="None of 2 combinations could be fitted: drowned"):
        run({"high": [91, 99]})


REFUSED = {
    "no such option": ({"hihg": [2]}, {}, "no option 'hihg'. Did you mean 'high'"),
    "not a number": ({"high": ["two"]}, {}, "high of Curtain must be a number, got 'two'"),
    "no option at all": ({}, {}, "needs a grid"),
    "no value": ({"high": []}, {}, "needs a grid"),
    "given twice": ({"high": [2]}, {"options": {"high": 3}}, "high is in the grid and in the options"),
    "tolerance": ({"high": [2]}, {"tolerance": -1.0}, "tolerance must be a number of at least 0"),
    "nothing to choose by": ({"high": [2]}, {"method": "silent"}, "'silent' cannot be searched: its fit records no"),
    "nothing to learn": ({"high": [2]}, {"method": "fixed"}, "Fixed has no option 'high'"),
    "unknown method": ({"high": [2]}, {"method": "curtian"}, "Did you mean 'curtain'"),
}


@pytest.mark.parametrize(("grid", "settings", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_searched_is_refused(run, grid, settings, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        run(grid, **settings)


def test_the_rule_takes_the_first_of_equals() -> None:
    trials = [Trial({"x": x}, str(x), {"error": 2.0, "clean_error": 2.0, "amount": 1.0}) for x in range(3)]
    assert choose_trial(trials, 0.0) == (trials[0], True)


@pytest.mark.slow
def test_unoise_gives_what_it_is_chosen_by(run) -> None:
    small = {"channels": 2, "blocks": 2, "pretrain_epochs": 0, "epochs": 1}
    record = run({"v_max": [0.5, 1.0]}, method="unoise", options=small, tolerance=1000)
    assert record["amount"] == "mean log10 sigma over brain voxels"
    assert record["chosen"]["options"] == {"v_max": 1.0}
    narrow, wide = (row["mean_log10_sigma"] for row in record["trials"])
    assert narrow < wide < 0
    for row in record["trials"]:
        assert row["error"] == row["recalibrated_mae"]
        assert {"mask_mean", "penalty", "noisy_mae", "clean_error", "validation_loss"} <= set(row)
