"""`interpbench methods`: what is installed, from where, and what is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import interpbench
from interpbench import API_VERSION

KINDS = (
    ("predictor", "resnet18"),
    ("explainer", "unoise"),
    ("aggregator", "population"),
    ("metric", "localisation"),
)


def test_methods_lists_the_built_ins_with_their_distribution(run):
    code, out, _ = run("methods")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    for kind, name in KINDS:
        assert [kind, name, "interpbench", interpbench.__version__] in [row[:4] for row in rows]


def test_methods_as_json_says_the_same(run):
    listing = json.loads(run("methods", "--json")[1])
    assert {plugin["status"] for plugin in listing["plugins"] if plugin["distribution"] == "interpbench"} == {"OK"}
    assert {*KINDS} <= {(one["kind"], one["name"]) for one in listing["components"]}


def test_methods_with_a_name_shows_options_with_defaults_and_help(run):
    code, out, _ = run("methods", "resnet18")
    assert code == 0
    assert "width=64" in out
    described = json.loads(run("methods", "resnet18", "--json")[1])
    assert described[0]["options"][0]["name"] == "width"


def test_the_table_has_each_kind_in_one_block_explainers_first(run):
    kinds = [line.split()[0] for line in run("methods")[1].splitlines()[1:]]
    blocks = [kind for place, kind in enumerate(kinds) if place == 0 or kinds[place - 1] != kind]
    assert blocks == ["explainer", "aggregator", "predictor", "metric"]


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("unoise", ("must be fitted to a predictor", "a method that makes importance maps", "--preset NAME")),
        ("sobel", ("does not use the network", "a method that makes importance maps")),
        ("inputxgradient", ("below zero",)),
        ("population", ("for `interpbench aggregate`",)),
        ("resnet18", ("for `interpbench train`",)),
        ("deletion", ("for `interpbench benchmark --measures`",)),
    ],
)
def test_methods_with_a_name_says_what_it_is_for(run, name, facts):
    out = run("methods", name)[1]
    assert all(fact in out for fact in facts)


def test_methods_with_a_name_says_only_what_holds_of_it(run):
    out = run("methods", "occlusion")[1]
    assert "must be fitted" not in out and "does not use the network" not in out
    described = json.loads(run("methods", "unoise", "--json")[1])[0]
    assert (described["learned"], described["floor"]) == (True, False)


def test_methods_with_a_metric_shows_what_it_measures(run):
    out = run("methods", "completeness")[1]
    assert "metric completeness, from interpbench" in out
    assert "Measures:\n  completeness_gap  " in out
    assert "(the predictor's unit; lower is better)" in out
    assert "(higher is better; chance gives 0.5; needs a known ground truth)" in run("methods", "localisation")[1]
    assert "(shown, not used for ranking)" in run("methods", "complexity")[1]


def test_methods_with_a_measure_shows_its_metric(run):
    assert run("methods", "auc")[1] == run("methods", "localisation")[1]
    described = json.loads(run("methods", "auc", "--json")[1])
    assert [one["name"] for one in described] == ["localisation"]
    assert described[0]["measures"][0]["direction"] == "higher"


def test_methods_with_a_name_that_is_nearly_a_measure_suggests_it(run):
    code, _, err = run("methods", "acu")
    assert code == 2
    assert "No component or measure is named 'acu'. Did you mean 'auc'? Installed: " in err


BROKEN = "import a_module_that_is_not_there"
CLASHING = """
from interpbench import Component, hookimpl

@hookimpl
def interpbench_predictors():
    return [Component("resnet18", "nowhere:Nothing", "an impostor")]
"""

UNRULY = """
from interpbench import Component, Measure, Metric, hookimpl

@hookimpl
def interpbench_metrics():
    return [Component("unruly", f"{__name__}:Unruly", "cannot say what it measures")]

class Unruly(Metric):
    @property
    def measures(self):
        raise RuntimeError("not today")

    def measure(self, case):
        return {}
"""


@pytest.fixture
def methods_with(tmp_path):
    """A function that runs `interpbench methods` in a process that sees one more distribution."""

    def run(source, *words):
        (tmp_path / "one_more_plugin.py").write_text(source)
        folder = tmp_path / "one_more-4.5.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: one-more\nVersion: 4.5\n")
        (folder / "entry_points.txt").write_text("[interpbench]\nmore = one_more_plugin\n")
        paths = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "interpbench", "methods", *words]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_a_broken_plugin_is_listed_below_all_that_works(methods_with):
    ended = methods_with(BROKEN)
    assert ended.returncode == 0
    last = ended.stdout.splitlines()[-1]
    assert last == (
        "BROKEN  plugin 'more' of one-more 4.5: ModuleNotFoundError: No module named 'a_module_that_is_not_there'"
    )
    assert "resnet18" in ended.stdout


def test_a_plugin_for_another_major_version_of_the_contract_is_broken_in_one_line(methods_with):
    ended = methods_with(f'INTERPBENCH_API = "9.0"\n{UNRULY}')
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1] == (
        "BROKEN  plugin 'more' of one-more 4.5: PluginError: It was written for version 9.0 of the plugin API, and this"
        f" interpbench has {API_VERSION}. Install a release of the plugin for version 1, or another interpbench"
    )
    assert "unruly" not in ended.stdout


def test_the_json_says_which_version_of_the_contract_this_is(run):
    _, out, _ = run("methods", "--json")
    assert json.loads(out)["plugin_api"] == API_VERSION


def test_a_broken_plugin_is_in_the_json_too(methods_with):
    listing = json.loads(methods_with(BROKEN, "--json").stdout)
    (plugin,) = (one for one in listing["plugins"] if one["distribution"] == "one-more")
    assert (plugin["status"], plugin["version"]) == ("BROKEN", "4.5")


def test_a_clash_of_names_is_shown_before_it_hurts(methods_with):
    rows = [line for line in methods_with(CLASHING).stdout.splitlines() if " resnet18 " in line]
    assert len(rows) == 2
    assert all("CLASH" in row for row in rows)


def test_a_clash_of_names_is_an_error_that_names_both_when_used(methods_with):
    ended = methods_with(CLASHING, "resnet18")
    assert ended.returncode == 5
    assert "plugin 'networks' of interpbench" in ended.stderr
    assert "plugin 'more' of one-more 4.5" in ended.stderr


@pytest.mark.slow
def test_a_metric_that_cannot_say_what_it_measures_hurts_no_other(methods_with):
    ended = methods_with(UNRULY, "auc")
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.slow
def test_a_metric_that_cannot_say_what_it_measures_is_an_error_in_one_line(methods_with):
    ended = methods_with(UNRULY, "unruly")
    assert ended.returncode == 5
    assert ended.stderr == "Error: metric 'unruly' failed to declare its measures: RuntimeError: not today.\n"


def test_methods_with_a_network_shows_the_options_of_its_training_too(run):
    out = run("methods", "resnet18")[1]
    assert "Options of `interpbench train` (-o NAME=VALUE):\n  epochs=40  " in out
    assert "\n  schedule=step  " in out and "\n  flip=0.0  probability that a training volume is mirrored" in out
    described = json.loads(run("methods", "resnet18", "--json")[1])
    assert "flip" in [one["name"] for one in described[0]["training_options"]]


def test_methods_shows_ranges_and_choices_of_options_once(run):
    out = run("methods", "unoise")[1]
    assert "(number, above 0, at most 0.99)" in out
    assert "(integer, at least 1, at most 7)" in out
    assert out.count("one of recalibrated, antithetic, paper") == 1
    assert (
        "box=8  edge lengths of the hidden box, in voxels of the network's grid (integer, or three as IxJxK)"
        in (run("methods", "occlusion")[1])
    )
