"""What may be wrong with a plugin: it is listed as broken with its cause, and nothing else is hurt."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distributions, entry_points
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]

OFFER = """
from interpbench import Component, Explainer, hookimpl

class Calm(Explainer):
    def explain(self, predictor, volumes):
        return volumes[:, 0]

class Stranger:
    pass

@hookimpl
def interpbench_explainers():
    return [Component("{name}", __name__ + ":{target}", "does nothing")]
"""


def offer(name: str = "guest", target: str = "Calm") -> str:
    return OFFER.format(name=name, target=target)


BROKEN: dict[str, tuple[str, str]] = {
    "an import error": ("from interpbench import nothing_of_this_name", "ImportError"),
    "a missing dependency": ("import a_module_that_is_not_there", "No module named 'a_module_that_is_not_there'"),
    "a SyntaxError": ("def (:", "SyntaxError"),
    "an IndentationError": ("def a():\nreturn 1", "IndentationError"),
    "sys.exit at import": ("import sys; sys.exit('goodbye')", "SystemExit: goodbye"),
    "an error at import": ("1 / 0", "ZeroDivisionError"),
    "an error of two lines": ("raise ValueError('one\\ntwo')", "ValueError: one two"),
    "an endless recursion": ("def a():\n    a()\na()", "RecursionError"),
    "wrong hook arguments": (offer().replace("explainers()", "explainers(volumes)"), "PluginValidationError"),
    "a misspelt hook": (offer().replace("explainers", "explaners"), "unknown hook 'interpbench_explaners'"),
    "no hook": ("answer = 42", "no function marked with @hookimpl"),
    "a hook that fails": (offer().replace("return [", "1 / 0 #"), "ZeroDivisionError"),
    "a hook that offers no components": (offer().replace("return [Component", "return ['x'] #"), "got 'x'"),
    "a name that is a path": (offer("../x"), "got '../x'"),
    "another interface's version": ("from interpbench.contract.hookspecs import HookSpecs2, hookimpl", "ImportError"),
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A function that installs a distribution whose plugin has this source."""
    monkeypatch.syspath_prepend(tmp_path)
    numbers = itertools.count()
    real = tuple(entry_points(group="interpbench"))

    def install(source: str, distribution: str = "guests") -> None:
        module = f"faulty_plugin_{next(numbers)}"
        (tmp_path / f"{module}.py").write_text(source)
        folder = tmp_path / f"{distribution}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[interpbench]\n{distribution} = {module}\n")
        mine = [point for one in distributions(path=[str(tmp_path)]) for point in one.entry_points]
        monkeypatch.setattr("interpbench.host.registry.entry_points", lambda group: [*real, *mine])

    yield install
    for name in [name for name in sys.modules if name.startswith("faulty_plugin_")]:
        del sys.modules[name]


@pytest.mark.slow
@pytest.mark.parametrize("fault", BROKEN)
def test_a_plugin_with(fault: str, installed: Callable[..., None], explained: Run, run: Run) -> None:
    source, cause = BROKEN[fault]
    installed(source)
    code, listed, told = run("methods")
    assert code == 0
    (line,) = [line for line in (listed + told).splitlines() if "BROKEN" in line]
    assert "guests" in line and cause in line
    code, _, told = explained("guest")
    assert code == 2
    assert "No explainer 'guest' is installed" in told and "BROKEN: plugin 'guests'" in told
    assert explained("saliency")[0] == 0


CLASHES = {
    "a clash with a built-in": (["saliency"], "Two components have the name explainer 'saliency'"),
    "a clash with another plugin": (["guest", "guest"], "Two components have the name explainer 'guest'"),
}


@pytest.mark.parametrize("fault", CLASHES)
def test_plugins_with(fault: str, installed: Callable[..., None], explained: Run) -> None:
    names, said = CLASHES[fault]
    for number, name in enumerate(names):
        installed(offer(name), f"guests{number}")
    code, _, told = explained(names[0])
    assert code == 5 and told.count("\n") == 1
    assert said in told and "guests0" in told and "Uninstall one of them" in told
    assert explained("smoothgrad", "-o", "samples=2")[0] == 0


@pytest.mark.parametrize(
    ("target", "said"), [("Stranger", "not a subclass of Explainer"), ("Gone", "cannot be loaded")]
)
def test_a_component_that_is(target: str, said: str, installed: Callable[..., None], explained: Run) -> None:
    installed(offer(target=target))
    code, _, told = explained("guest")
    assert code == 5 and told.count("\n") == 1
    assert said in told and "guests" in told
