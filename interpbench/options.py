"""Options are dataclass fields: `option()` declares one, `-o name=value` sets it, JSON stores it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import operator
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, SupportsIndex

from interpbench.errors import UsageError, did_you_mean

_BOUNDS = (
    ("minimum", "at least", operator.ge),
    ("above", "above", operator.gt),
    ("maximum", "at most", operator.le),
)

LARGEST = 2**63 - 1  # of whole numbers and seeds: what arrays and random generators can hold


def option(
    default: Any,
    help: str,
    *,
    choices: Iterable[str] = (),
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    runs: bool = False,
) -> Any:
    """A dataclass field that a user can set.

    Args:
        default: the value used when the user sets none.
        help: a noun phrase that stands alone, with the unit; `interpbench methods NAME` adds type, range and choices.
        choices: the allowed values, if they are limited.
        minimum, above, maximum: the allowed range (`above` excludes its bound).
        runs: whether the value names code that the component imports, such as `module:function`. A value from a
            record or a configuration file is then used only if the user has allowed it; see `interpbench.host.trust`.
    """
    metadata = {
        "help": help,
        "choices": tuple(choices),
        "minimum": minimum,
        "above": above,
        "maximum": maximum,
        "runs": runs,
    }
    return dataclasses.field(default=default, metadata=metadata)


class FromFile(str):
    """The text of an option that came from a configuration file, not from the command line."""

    __slots__ = ()


def check_options(component: Any) -> None:
    """Refuse invalid option values; a component calls it in `__post_init__`.

    Raises:
        UsageError: names the option, its value and the valid values.
    """
    for field in option_fields(type(component)):
        value, allowed = getattr(component, field.name), field.metadata
        label = f"{field.name} of {type(component).__name__}"
        if allowed.get("choices") and value not in allowed["choices"]:
            raise UsageError(f"{label} must be one of {', '.join(allowed['choices'])}, got {value!r}.")
        if value is None:
            continue
        for key, words, holds in _BOUNDS:
            bound = allowed.get(key)
            if bound is not None and value != math.inf and not holds(value, bound):
                raise UsageError(f"{label} must be {words} {bound:g}, got {value!r}.")
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{label} must be a finite number, got {value!r}.")
        if isinstance(value, int) and abs(value) > LARGEST:
            raise UsageError(f"{label} must be below 2^63, got {value!r}.")


def checked_seed(seed: int) -> int:
    """A run's seed as a plain number.

    Raises:
        UsageError: it is no whole number from 0 to 2^63 - 1, which random generators cannot take.
    """
    if not isinstance(seed, SupportsIndex) or not 0 <= operator.index(seed) <= LARGEST:
        raise UsageError(f"seed must be a whole number from 0 to 2^63 - 1, got {seed!r}.")
    return int(operator.index(seed))


def option_fields(component: type) -> tuple[dataclasses.Field[Any], ...]:
    """The fields of a component class that a user can set."""
    if not dataclasses.is_dataclass(component):
        return ()
    return tuple(field for field in dataclasses.fields(component) if field.init)


def split_options(words: Iterable[str]) -> dict[str, str]:
    """Turn `["window=8", ...]` into `{"window": "8", ...}`; `typed_options` then reads the values.

    Raises:
        UsageError: a word without `=`.
    """
    values = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"An option is written name=value, got {word!r}.")
        values[name.strip()] = text.strip()
    return values


def parse_options(component: type, words: Iterable[str]) -> dict[str, Any]:
    """Turn `["window=8", ...]` into `{"window": 8, ...}`, typed by the component's fields.

    Raises:
        UsageError: a word without `=`, an unknown name (with the nearest known one), a value of another type.
    """
    return typed_options(component, split_options(words))


def typed_options(component: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert each value to its field's type: text is parsed, other values are checked.

    Raises:
        UsageError: in the same cases as `parse_options`.
    """
    fields = {field.name: field for field in option_fields(component)}
    hints = _types(component)
    typed = {}
    for name, value in values.items():
        if name not in fields:
            hint = did_you_mean(name, fields)
            known = ", ".join(sorted(fields)) or "none"
            raise UsageError(f"{component.__name__} has no option {name!r}.{hint} Available options: {known}.")
        typed[name] = _as_type(component, name, hints[name], value)
    return typed


def options_json(component: Any) -> dict[str, Any]:
    """The component's options as plain JSON values; `typed_options` reads them back."""
    values = {field.name: getattr(component, field.name) for field in option_fields(type(component))}
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def describe_options(component: type) -> list[dict[str, Any]]:
    """Name, type, default, help, choices and range of each option, for `interpbench methods` and the docs."""
    hints = _types(component)
    return [
        {
            "name": field.name,
            "type": _type_name(hints[field.name]),
            "default": None if field.default is dataclasses.MISSING else field.default,
            "help": field.metadata.get("help", ""),
            "choices": list(field.metadata.get("choices", ())),
            "range": _range(field.metadata),
        }
        for field in option_fields(component)
    ]


def _type_name(hint: Any) -> str:
    """A type as it is written in code; a union has a name of its own in some versions of Python."""
    return str(hint) if _is_union(hint) else getattr(hint, "__name__", str(hint))


def _range(allowed: Mapping[str, Any]) -> str:
    """The range of a field's values in words, `at least 1` say; empty where any value is valid."""
    bounds = ((words, allowed.get(key)) for key, words, _ in _BOUNDS)
    return ", ".join(f"{words} {bound:g}" for words, bound in bounds if bound is not None)


def _types(component: type) -> dict[str, Any]:
    """The types of the option fields; other annotations may name what only a type checker imports."""
    hints: dict[str, Any] = {}
    for field in option_fields(component):
        owner = next(base for base in component.__mro__ if field.name in inspect.get_annotations(base))
        holder = types.SimpleNamespace(__annotations__={field.name: field.type})
        hints |= typing.get_type_hints(holder, vars(sys.modules[owner.__module__]))
    return hints


_IN_WORDS: dict[Any, str] = {
    float: "a number",
    int: "an integer",
    bool: "true or false",
    str: "text",
    type(None): "none",
    tuple[int, int, int]: "three integers as IxJxK",
    tuple[float, ...]: "numbers separated by commas",
    tuple[str, ...]: "words separated by commas",
    dict[str, Any]: "a JSON object",
}


def _as_type(component: type, name: str, hint: Any, value: Any) -> Any:
    allowed = typing.get_args(hint) if _is_union(hint) else (hint,)
    if type(None) in allowed and (value is None or (isinstance(value, str) and value.lower() == "none")):
        return None
    for kind in allowed:
        try:
            return _convert(kind, value)
        except (ValueError, TypeError, OverflowError, RecursionError):
            continue
    words = " or ".join(_IN_WORDS.get(kind, str(kind)) for kind in allowed)
    raise UsageError(f"{name} of {component.__name__} must be {words}, got {value!r}.")


def _is_union(hint: Any) -> bool:
    return isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union


def _convert(kind: Any, value: Any) -> Any:
    if typing.get_origin(kind) is tuple:
        parts = value.replace("x", ",").split(",") if isinstance(value, str) else list(value)
        kinds = typing.get_args(kind)
        if len(kinds) == 2 and kinds[1] is Ellipsis:
            kinds = (kinds[0],) * len(parts)
        if len(parts) != len(kinds):
            raise ValueError(value)
        return tuple(_convert(inner, part) for inner, part in zip(kinds, parts, strict=True))
    if kind is bool:
        if isinstance(value, bool):
            return value
        return (
            {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[str(value).lower()]
            if str(value).lower() in ("true", "yes", "1", "false", "no", "0")
            else _refuse(value)
        )
    if kind is int:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise ValueError(value)
        return int(value)
    if kind is float and not isinstance(value, bool):
        return float(value)
    if kind is str and isinstance(value, str):
        return value
    if kind in (dict, list) or typing.get_origin(kind) in (dict, list):
        return json.loads(value) if isinstance(value, str) else value
    raise ValueError(value)


def _refuse(value: Any) -> Any:
    raise ValueError(value)
