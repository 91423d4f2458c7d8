"""A record runs no code that the user has not allowed by name.

An option declared with `runs=True` names code. Typed by the user, it is the user's word. From a record (`model.json`,
`fitted.json`, the manifest of maps) it counts only where the user wrote that very record, allowed it by
`interpbench trust`, or gave the same name as `trust_factory`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from interpbench.errors import InputError, InterpbenchError
from interpbench.host import trust_store
from interpbench.options import option_fields, options_json, typed_options

log = logging.getLogger("interpbench")

Names = str | Collection[str]  # what a caller allows: one name, or several


def names_of(allowed: Names) -> tuple[str, ...]:
    """The names that a caller allows, as a tuple."""
    return (allowed,) if isinstance(allowed, str) else tuple(allowed)


def code_named(component: type, options: Mapping[str, Any]) -> dict[str, str]:
    """The code that options name, by option, except the component's own defaults.

    Args:
        options: typed, as `typed_options` gives them.
    """
    fields = {field.name: field for field in option_fields(component) if field.metadata.get("runs")}
    named = {name: value for name, value in options.items() if name in fields and value != fields[name].default}
    return {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True) for name, value in named.items()
    }


def code_named_by(component: Any) -> dict[str, str]:
    """`code_named` for an existing component."""
    return code_named(type(component), typed_options(type(component), options_json(component)))


def checked_options(component: type, options: Mapping[str, Any], place: Path, allowed: Names = ()) -> dict[str, Any]:
    """The typed options that a record gives a component, if all code that they name is allowed.

    To be asked before the component is made: nothing that a record names has been imported by then.

    Args:
        component: the class.
        options: as they stand in the record.
        place: the record's file.
        allowed: names that the user gave for this run, exactly as they stand in the record.

    Raises:
        UsageError: as `typed_options`.
        InputError: a name that the user has not allowed.
    """
    typed = typed_options(component, options)
    named = code_named(component, typed)
    left = {option: name for option, name in named.items() if name not in names_of(allowed)}
    if left:
        doubt = ""
        try:
            trusted = trust_store.kept(record_digest(place, options))
        except InterpbenchError as error:
            trusted, doubt = {}, f" ({str(error).rstrip('.')})"
        if any(trusted.get(option) != name for option, name in left.items()):
            raise InputError(_refusal(place, left.values(), doubt))
    return typed


def record_digest(place: Path, options: Mapping[str, Any]) -> str:
    """SHA-256 of a record's bytes; the record must not have changed since its options were read.

    Raises:
        InputError: they are not, or cannot be read.
    """
    try:
        content = place.read_bytes()
        same = json.loads(content)["options"] == options
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError, KeyError, TypeError):
        same = False
    if not same:
        raise InputError(f"{place}: changed while it was read.")
    return hashlib.sha256(content).hexdigest()


def remember(place: Path, component: Any) -> None:
    """Trust a record that was just written for the user's own component; warn if this cannot be stored."""
    named = code_named_by(component)
    if not named:
        return
    try:
        trust_store.keep(record_digest(place, options_json(component)), named, place)
    except InterpbenchError as error:
        log.warning(
            "%s: your permission could not be stored (%s). Run `interpbench trust %s` later; until then give %s",
            place,
            str(error).rstrip("."),
            shell_word(place.parent),
            flags_for(named.values()),
        )


def shell_word(word: Any) -> str:
    """A word of a command line to copy, quoted for the shell, with unprintable characters escaped."""
    text = str(word)
    return shlex.quote(text) if text.isprintable() else ascii(text)


def flags_for(names: Collection[str]) -> str:
    """The command-line options that allow these names."""
    return " ".join(f"--trust-factory {shell_word(name)}" for name in names)


def _refusal(place: Path, names: Collection[str], doubt: str) -> str:
    asked = " and ".join(f"`{name}`" if name.isprintable() else ascii(name) for name in names)
    return (
        f"{place} would import {asked}, which you have not allowed{doubt}: run `interpbench trust"
        f" {shell_word(place.parent)}`"
        f" to inspect it, or give {flags_for(names)}"
    )
