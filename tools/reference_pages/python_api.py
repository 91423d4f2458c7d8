"""The public names of `interpbench`: a list, and for each what mkdocstrings makes of its docstring."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import interpbench
from interpbench import errors, kit, testing
from reference_pages.markdown import paragraphs, table

INTRODUCTION = """\
# Python

Every public name. All else may change without notice."""
MODULES: Mapping[str, ModuleType] = {"interpbench": interpbench, "interpbench.kit": kit, "interpbench.testing": testing}


def python_page() -> str:
    """A section a module: its names, then each with arguments, result and errors."""
    return paragraphs(INTRODUCTION, *(_section(name, module) for name, module in MODULES.items()), _errors())


def _section(name: str, module: ModuleType) -> str:
    names = sorted(getattr(module, "__all__", vars(module)), key=str.lower)
    members = {one: getattr(module, one) for one in names if not one.startswith("_")}
    rows = [(f"[`{one}`][{name}.{one}]", _summary(value)) for one, value in members.items()]
    told = inspect.cleandoc(module.__doc__ or "").split("\n")[0].removeprefix(f"{name}: ")
    told = told[:1].upper() + told[1:]
    listed = table(("name", "what it is"), rows)
    return paragraphs(f"## {name}", told, listed, *(f"::: {name}.{one}" for one in members))


def _summary(value: Any) -> str:
    """The first line of a docstring; of a plain value, the value, and of another object its class."""
    if inspect.isclass(value) or inspect.isroutine(value):
        return inspect.cleandoc(value.__doc__ or "").split("\n")[0]
    plain = isinstance(value, str | int | float | dict | tuple)
    return f"`{value!r}`" if plain else f"A `{type(value).__name__}`."


def _errors() -> str:
    return paragraphs("## interpbench.errors", "With their [exit codes](exit-codes.md).", f"::: {errors.__name__}")
