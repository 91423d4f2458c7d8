"""Plugins are found, kept apart, and turned into classes."""

from __future__ import annotations

import re
import sys
from importlib.metadata import distributions
from itertools import count

import pytest

from interpbench.errors import PluginError, UsageError
from interpbench.host.registry import discover

_numbers = count()

OFFER = """
from interpbench import Component, hookimpl

@hookimpl
def interpbench_explainers():
    return [Component("{name}", "{target}", "does nothing")]
"""
CLASSES = """
from interpbench import Explainer, Metric

class Good(Explainer):
    def explain(self, predictor, volumes):
        return volumes[:, 0]

class Unfinished(Explainer):
    pass

class Stranger:
    pass

class Figure(Metric):
    measures = ()

    def measure(self, case):
        return {}

class Silent(Metric):
    def measure(self, case):
        return {}

number = 3
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that installs a distribution with one plugin."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(source, *, distribution="third-party", version="1.0", entry="plugin", metadata=True):
        module = f"registry_test_{next(_numbers)}"
        (tmp_path / f"{module}.py").write_text(source)
        folder = tmp_path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        if metadata:
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (folder / "entry_points.txt").write_text(f"[interpbench]\n{entry} = {module}\n")

    yield install
    for name in [name for name in sys.modules if name.startswith("registry_test_")]:
        del sys.modules[name]


@pytest.fixture
def found(tmp_path):
    """A function that discovers what was installed by `install`, and nothing else."""
    return lambda: discover(
        point
        for one in distributions(path=[str(tmp_path)])
        for point in one.entry_points
        if point.group == "interpbench"
    )


def offer(name, target="nowhere:Nothing"):
    return OFFER.format(name=name, target=target)


def offer_metric(name, target="nowhere:Nothing"):
    return offer(name, target).replace("explainers", "metrics")


def only(plugins):
    (plugin,) = plugins
    return plugin


def test_a_working_plugin_is_listed_with_distribution_and_version(install, found):
    install(offer("calm"), distribution="quiet-maps", version="2.5")
    plugin = only(found().plugins)
    assert (plugin.name, plugin.distribution, plugin.version) == ("plugin", "quiet-maps", "2.5")
    assert (plugin.status, plugin.cause) == ("OK", "")


def test_a_component_is_found_by_kind_and_name(install, found):
    install(offer("calm"))
    registry = found()
    assert [one.name for one in registry.components("explainer")] == ["calm"]
    assert registry.components("aggregator") == ()
    assert registry.find("explainer", "calm").plugin.distribution == "third-party"


def test_the_class_is_imported_when_it_is_used_and_not_before(install, found, tmp_path):
    (tmp_path / "registry_test_classes.py").write_text(CLASSES)
    install(offer("calm", "registry_test_classes:Good"))
    registry = found()
    assert "registry_test_classes" not in sys.modules
    assert registry.load("explainer", "calm") is sys.modules["registry_test_classes"].Good


BREAKAGES = {
    "import error": ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named 'a_module_that"),
    "exception": ("raise ValueError('two\\nlines')", "ValueError: two lines"),
    "syntax error": ("def (:", "SyntaxError: invalid syntax"),
    "exit at import": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "misspelt hook": (offer("x").replace("explainers", "explaners"), "unknown hook 'interpbench_explaners'"),
    "wrong arguments": (offer("x").replace("explainers()", "explainers(volumes)"), "PluginValidationError"),
    "no hook": ("answer = 42", "no function marked with @hookimpl"),
    "no component": (offer("x").replace('Component("x", "nowhere:Nothing", "does nothing")', "'x'"), "got 'x'"),
    "no list": (offer("x").replace("return [", "return 3 #"), "TypeError"),
    "raising hook": (offer("x").replace("return [", "1 / 0 #"), "ZeroDivisionError"),
    "path as name": (offer("../x"), "letters, digits, _ and -, got '../x'"),
    "no target": (offer("x", "nowhere"), "must be 'module:Class', got 'nowhere'"),
}


@pytest.mark.parametrize(("source", "cause"), BREAKAGES.values(), ids=BREAKAGES)
def test_a_broken_plugin_is_listed_with_its_cause_in_one_line(install, found, source, cause):
    install(source, distribution="damaged", version="0.1")
    plugin = only(found().plugins)
    assert (plugin.status, plugin.distribution, plugin.version) == ("BROKEN", "damaged", "0.1")
    assert cause in plugin.cause
    assert "\n" not in plugin.cause


def test_a_broken_plugin_hurts_no_other(install, found):
    install("import sys\nsys.exit()", distribution="damaged", entry="a")
    install(offer("calm"), distribution="sound", entry="b")
    registry = found()
    assert [plugin.status for plugin in registry.plugins] == ["BROKEN", "OK"]
    assert registry.find("explainer", "calm")


def test_ctrl_c_while_a_plugin_is_imported_is_not_its_fault(install, found):
    install("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        found()


def test_what_a_plugin_prints_when_imported_stays_out_of_the_output(install, found, capsys):
    install("print('hello')\n" + offer("calm"))
    found()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


def test_two_plugins_of_one_name_are_both_used(install, found):
    install(offer("calm"), distribution="first", entry="same")
    install(offer("storm"), distribution="second", entry="same")
    registry = found()
    assert [plugin.name for plugin in registry.plugins] == ["same", "same"]
    assert [plugin.distribution for plugin in registry.plugins] == ["first", "second"]
    assert [one.name for one in registry.components("explainer")] == ["calm", "storm"]


def test_two_components_of_one_name_are_an_error_that_names_both_when_used(install, found):
    install(offer("calm"), distribution="first", entry="a")
    install(offer("calm"), distribution="second", entry="b")
    registry = found()
    assert all(plugin.status == "OK" for plugin in registry.plugins)
    assert all(registry.clashes(one) for one in registry.installed)
    with pytest.raises(PluginError, match=r"'calm': by plugin 'a' of first 1\.0 and plugin 'b' of second 1\.0"):
        registry.find("explainer", "calm")


def test_one_name_may_serve_two_kinds(install, found):
    install(offer("calm") + offer("calm").replace("explainers", "aggregators"))
    registry = found()
    assert registry.find("explainer", "calm") != registry.find("aggregator", "calm")


def test_an_unknown_name_gets_the_nearest_and_all_that_there_are(install, found):
    install(offer("calm") + offer("occlusion").replace("explainers", "aggregators"))
    install(offer("occlusion"), distribution="second")
    expected = "No explainer 'oclusion' is installed. Did you mean 'occlusion'? Installed: calm, occlusion."
    with pytest.raises(UsageError, match=re.escape(expected)):
        found().load("explainer", "oclusion")


def test_an_unknown_name_is_told_of_plugins_that_are_broken(install, found):
    install("import a_module_that_is_not_there", distribution="damaged", entry="occlusion")
    with pytest.raises(UsageError, match=r"BROKEN: plugin 'occlusion' of damaged 1\.0; see `interpbench methods`"):
        found().load("explainer", "occlusion")


REFUSED = {
    "Stranger": "is not a subclass of Explainer",
    "number": "is not a subclass of Explainer",
    "Unfinished": "does not implement explain",
    "Missing": "cannot be loaded: AttributeError",
}


@pytest.mark.parametrize(("name", "reason"), REFUSED.items(), ids=REFUSED)
def test_what_is_no_such_class_is_refused_with_its_owner(install, found, tmp_path, name, reason):
    (tmp_path / "registry_test_classes.py").write_text(CLASSES)
    install(offer("calm", f"registry_test_classes:{name}"), distribution="strange", version="3")
    with pytest.raises(PluginError, match=rf"explainer 'calm' \(plugin 'plugin' of strange 3\) .*{reason}"):
        found().load("explainer", "calm")


def test_a_component_whose_module_exits_when_imported_is_an_ordinary_error(install, found, tmp_path):
    (tmp_path / "registry_test_exit.py").write_text("import sys\nsys.exit(0)")
    install(offer("calm", "registry_test_exit:Anything"))
    with pytest.raises(PluginError, match="cannot be loaded: SystemExit: 0"):
        found().load("explainer", "calm")


def test_a_distribution_without_metadata_is_listed_all_the_same(install, found):
    install(offer("calm"), metadata=False)
    assert only(found().plugins).status == "OK"


# Metrics go through the same door


def test_a_metric_is_found_and_loaded_by_its_name(install, found, tmp_path):
    (tmp_path / "registry_test_classes.py").write_text(CLASSES)
    install(offer_metric("weight", "registry_test_classes:Figure"))
    registry = found()
    assert [one.name for one in registry.components("metric")] == ["weight"]
    assert registry.load("metric", "weight") is sys.modules["registry_test_classes"].Figure


def test_one_name_may_serve_a_metric_and_an_explainer(install, found):
    install(offer("calm"), entry="a")
    install(offer_metric("calm"), distribution="second", entry="b")
    registry = found()
    assert not any(registry.clashes(one) for one in registry.installed)
    assert registry.find("metric", "calm").plugin.distribution == "second"


def test_an_unknown_metric_gets_the_nearest_and_all_that_there_are(install, found):
    install(offer("deltion") + offer_metric("deletion"))
    install(offer_metric("cost"), distribution="second")
    expected = "No metric 'deltion' is installed. Did you mean 'deletion'? Installed: cost, deletion."
    with pytest.raises(UsageError, match=re.escape(expected)):
        found().find("metric", "deltion")


def test_two_metrics_of_one_name_are_an_error_that_names_both(install, found):
    install(offer_metric("cost"), distribution="first", entry="a")
    install(offer_metric("cost"), distribution="second", entry="b")
    with pytest.raises(PluginError, match=r"the name metric 'cost': by plugin 'a' of first 1\.0 and plugin 'b'"):
        found().load("metric", "cost")


METRIC_BREAKAGES = {
    "misspelt hook": (offer("x").replace("explainers", "metric"), "unknown hook 'interpbench_metric'"),
    "no component": (
        offer_metric("x").replace('Component("x", "nowhere:Nothing", "does nothing")', "'x'"),
        "interpbench_metrics must return a list of Component, got 'x'",
    ),
    "no target": (offer_metric("x", "nowhere"), "The target of metric 'x' must be 'module:Class', got 'nowhere'"),
}


@pytest.mark.parametrize(("source", "cause"), METRIC_BREAKAGES.values(), ids=METRIC_BREAKAGES)
def test_a_plugin_whose_metrics_are_wrong_is_listed_as_broken(install, found, source, cause):
    install(source)
    plugin = only(found().plugins)
    assert plugin.status == "BROKEN"
    assert cause in plugin.cause


REFUSED_METRICS = {
    "Good": "is not a subclass of Metric",
    "Stranger": "is not a subclass of Metric",
    "Silent": "does not implement measures",
}


@pytest.mark.parametrize(("name", "reason"), REFUSED_METRICS.items(), ids=REFUSED_METRICS)
def test_what_is_no_metric_is_refused_with_its_owner(install, found, tmp_path, name, reason):
    (tmp_path / "registry_test_classes.py").write_text(CLASSES)
    install(offer_metric("weight", f"registry_test_classes:{name}"), distribution="strange", version="3")
    with pytest.raises(PluginError, match=rf"metric 'weight' \(plugin 'plugin' of strange 3\) is refused: .*{reason}"):
        found().load("metric", "weight")
