"""A plugin that was written for another version of the contract is refused, and the others are not."""

from __future__ import annotations

import sys
import types
from importlib.metadata import EntryPoint
from typing import Any

import pytest

import interpbench
from interpbench import Component, hookimpl
from interpbench.contract import hookspecs
from interpbench.host.registry import Plugin, discover

UNDECLARED = object()


def offers_one() -> list[Component]:
    return [Component("slope", "nowhere:Slope", "does nothing")]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that gives what becomes of a plugin that declares a version, where this interpbench has another."""

    def found(declared: object, ours: str = "2.7") -> Plugin:
        module = types.ModuleType("plugin_api_test")
        vars(module)["interpbench_explainers"] = hookimpl(lambda: offers_one())
        if declared is not UNDECLARED:
            vars(module)["INTERPBENCH_API"] = declared
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(hookspecs, "API_VERSION", ours)
        registry = discover([EntryPoint("slope", module.__name__, "interpbench")])
        (plugin,) = registry.plugins
        assert len(registry.installed) == (plugin.status == "OK")
        return plugin

    return found


@pytest.mark.parametrize("declared", ["2.0", "2.6", "2.7", UNDECLARED])
def test_a_plugin_works_that_was_written_for_this_version_or_an_earlier_minor_one(found: Any, declared: object) -> None:
    assert found(declared).status == "OK"


@pytest.mark.parametrize("declared", ["1.9", "3.0", "0.1", "10.7"])
def test_one_for_another_major_version_is_broken_with_the_cause(found: Any, declared: str) -> None:
    plugin = found(declared)
    assert plugin.status == "BROKEN"
    assert plugin.cause == (
        f"PluginError: It was written for version {declared} of the plugin API, and this interpbench has 2.7."
        " Install a release of the plugin for version 2, or another interpbench"
    )


@pytest.mark.parametrize("declared", ["2.8", "2.10"])
def test_one_for_a_later_minor_version_asks_for_a_later_interpbench(found: Any, declared: str) -> None:
    plugin = found(declared)
    assert plugin.status == "BROKEN"
    assert plugin.cause.endswith("and this interpbench has 2.7. Install a later interpbench")


@pytest.mark.parametrize("declared", ["2", "2.7.1", "v2.7", "", 2.7, 2, None, (2, 7)])
def test_what_is_no_version_is_told_with_what_would_be_right(found: Any, declared: object) -> None:
    cause = found(declared).cause
    assert cause == f"PluginError: INTERPBENCH_API must be 'major.minor', such as '1.0', got {declared!r}"


def test_the_version_is_public_and_the_sample_plugin_declares_it() -> None:
    from interpbench_sample import plugin

    assert interpbench.API_VERSION == hookspecs.API_VERSION == plugin.INTERPBENCH_API
