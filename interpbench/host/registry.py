"""Find plugins, keep them apart, and turn a component's name into its class.

Every entry point of the group is loaded in a `try` of its own and registered with a plugin manager of its
own, so that a broken plugin is listed as BROKEN and hurts nobody else. Classes are imported when used.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

import pluggy

from interpbench.contract import hookspecs
from interpbench.contract.hookspecs import DECLARED_API, ENTRY_POINT_GROUP, Component
from interpbench.errors import InterpbenchError, PluginError, UsageError, did_you_mean
from interpbench.errors import one_line as one_line

Kind = Literal["predictor", "explainer", "aggregator", "metric"]
KINDS: tuple[Kind, ...] = ("predictor", "explainer", "aggregator", "metric")
_INTERFACES: dict[Kind, str] = {
    "predictor": "interpbench.contract.interfaces:Predictor",
    "explainer": "interpbench.contract.interfaces:Explainer",
    "aggregator": "interpbench.contract.aggregator:Aggregator",
    "metric": "interpbench.contract.metric:Metric",
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # names become part of file names
_TARGET = re.compile(r"[\w.]+:\w+")
_API = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True)
class Plugin:
    """One entry point of the group, and whether it could be loaded."""

    name: str
    distribution: str
    version: str
    status: Literal["OK", "BROKEN"] = "OK"
    cause: str = ""  # one line, where BROKEN

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution} {self.version}"


@dataclass(frozen=True)
class Installed:
    """A component and the plugin that offers it."""

    kind: Kind
    component: Component
    plugin: Plugin

    @property
    def name(self) -> str:
        return self.component.name


@dataclass(frozen=True)
class Registry:
    """All installed plugins and components, working or broken."""

    plugins: tuple[Plugin, ...]
    installed: tuple[Installed, ...]

    def components(self, kind: Kind) -> tuple[Installed, ...]:
        """The components of one kind that working plugins offer, by name."""
        return tuple(sorted((one for one in self.installed if one.kind == kind), key=lambda one: one.name))

    def clashes(self, one: Installed) -> bool:
        """Whether another component of the same kind has the same name."""
        return sum(other.name == one.name for other in self.components(one.kind)) > 1

    def find(self, kind: Kind, name: str) -> Installed:
        """The one component of this name.

        Raises:
            UsageError: there is none; the message suggests the nearest and lists what there is.
            PluginError: two plugins offer it; the message names both.
        """
        components = self.components(kind)
        found = [one for one in components if one.name == name]
        if not found:
            raise UsageError(self._unknown(kind, name, [one.name for one in components]))
        if len(found) > 1:
            owners = " and ".join(str(one.plugin) for one in found)
            raise PluginError(f"Two components have the name {kind} {name!r}: by {owners}. Uninstall one of them.")
        return found[0]

    def load(self, kind: Kind, name: str) -> type[Any]:
        """The class of one component, imported now.

        Raises:
            UsageError, PluginError: as `find`; also where the class cannot be imported, or does not
                implement the interface of its kind.
        """
        return _load_class(self.find(kind, name))

    def _unknown(self, kind: Kind, name: str, known: list[str]) -> str:
        broken = ", ".join(str(plugin) for plugin in self.plugins if plugin.status == "BROKEN")
        note = f" BROKEN: {broken}; see `interpbench methods`." if broken else ""
        names = ", ".join(dict.fromkeys(known)) or "none"
        return f"No {kind} {name!r} is installed.{did_you_mean(name, known)} Installed: {names}.{note}"


def discover(points: Iterable[EntryPoint] | None = None) -> Registry:
    """Load every plugin, each by itself.

    Args:
        points: entry points to load in place of the installed ones.
    """
    if points is None:
        points = entry_points(group=ENTRY_POINT_GROUP)
    plugins: list[Plugin] = []
    installed: list[Installed] = []
    for point in sorted(points, key=lambda point: (point.name, _distribution(point))):
        plugin = Plugin(point.name, *_distribution(point))
        try:
            # What a plugin prints while it is imported must not end up in our own output.
            with contextlib.redirect_stdout(sys.stderr):
                offers = _offers(point)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: an import that exits must not end the host
            plugin = Plugin(plugin.name, plugin.distribution, plugin.version, "BROKEN", one_line(error))
            offers = []
        plugins.append(plugin)
        installed += [Installed(kind, component, plugin) for kind, component in offers]
    return Registry(tuple(plugins), tuple(installed))


def _distribution(point: EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that an entry point belongs to, also where its metadata is damaged."""
    name = version = None
    with contextlib.suppress(Exception):  # a METADATA file that is missing or damaged must not end the host
        if point.dist:
            name, version = point.dist.metadata["Name"], point.dist.metadata["Version"]
    return name or "an unknown distribution", version or "?"


def _offers(point: EntryPoint) -> list[tuple[Kind, Component]]:
    """Import one plugin, check its hooks, and list the components it offers."""
    manager = pluggy.PluginManager(ENTRY_POINT_GROUP)
    manager.add_hookspecs(hookspecs)
    module = point.load()
    _refuse_other_api(getattr(module, DECLARED_API, hookspecs.API_VERSION))
    manager.register(module, name=point.name)
    if not manager.get_hookcallers(module):
        raise PluginError(f"{point.value} has no function marked with @hookimpl.")
    manager.check_pending()
    offers: list[tuple[Kind, Component]] = []
    for kind in KINDS:
        for answer in getattr(manager.hook, f"interpbench_{kind}s")():
            offers += [(kind, _checked(component, kind)) for component in answer]
    return offers


def _refuse_other_api(declared: Any) -> None:
    """Refuse a plugin that was written for another major version of the contract, or for a later minor one."""
    form = _API.fullmatch(declared) if isinstance(declared, str) else None
    if form is None:
        raise PluginError(f"{DECLARED_API} must be 'major.minor', such as '1.0', got {declared!r}.")
    ours = hookspecs.API_VERSION
    major, minor = (int(number) for number in ours.split("."))
    needs = f"It was written for version {declared} of the plugin API, and this interpbench has {ours}"
    if int(form[1]) != major:
        raise PluginError(f"{needs}. Install a release of the plugin for version {major}, or another interpbench.")
    if int(form[2]) > minor:
        raise PluginError(f"{needs}. Install a later interpbench.")


def _checked(component: Any, kind: Kind) -> Component:
    if not isinstance(component, Component):
        raise PluginError(f"interpbench_{kind}s must return a list of Component, got {component!r}.")
    if not _NAME.fullmatch(str(component.name)):
        raise PluginError(f"The name of a component must consist of letters, digits, _ and -, got {component.name!r}.")
    if not _TARGET.fullmatch(str(component.target)):
        raise PluginError(f"The target of {kind} {component.name!r} must be 'module:Class', got {component.target!r}.")
    return component


def _load_class(one: Installed) -> type[Any]:
    label = f"{one.kind} {one.name!r} ({one.plugin})"
    module_name, _, class_name = one.component.target.partition(":")
    try:
        cls: Any = getattr(import_module(module_name), class_name)
    except (KeyboardInterrupt, InterpbenchError):
        raise
    except BaseException as error:
        raise PluginError(f"{label} cannot be loaded: {one_line(error)}.") from error
    place, _, interface_name = _INTERFACES[one.kind].partition(":")
    interface = getattr(import_module(place), interface_name)
    if not (isinstance(cls, type) and issubclass(cls, interface)):
        raise PluginError(f"{label} is refused: {one.component.target} is not a subclass of {interface.__name__}.")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise PluginError(f"{label} is refused: {one.component.target} does not implement {missing}.")
    loaded: type[Any] = cls
    return loaded
