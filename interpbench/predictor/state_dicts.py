"""Where the named tensors are in what a checkpoint holds: trainings keep them among other things, or twice."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from interpbench.errors import InputError

log = logging.getLogger("interpbench")

DEEPEST = 3  # mappings within mappings
# Where checkpoints keep the state dict among other things; of several, the first of these is meant.
KNOWN = ("state_dict", "model_state_dict", "model", "network", "net")
_AVERAGED = re.compile(r"(^|[_.])(ema|swa|averaged?|shadow|teacher)([_.]|$)", re.IGNORECASE)
_OF_TRAINING = re.compile(r"optim|sched|scaler|callback|loops|hyper|config|args|criterion|metric|rng", re.IGNORECASE)


def is_averaged(name: str) -> bool:
    """Whether a name says that weights are a moving average over the training (EMA, SWA), not the last ones."""
    return bool(_AVERAGED.search(name))


def state_dict_in(content: Any, path: Path) -> dict[str, Tensor]:
    """The names and tensors in the content of a file; if there are several sets, the choice is logged.

    Raises:
        InputError: there are none, several that could be meant, or something other than tensors among them.
    """
    found = dict(_candidates(content))
    chosen = _chosen(found, path) if found else ""
    state = found.get(chosen, content)
    if not isinstance(state, Mapping) or not state:
        raise InputError(f"{path}: holds {type(state).__name__}, not a state dict (names and tensors).")
    tensors: dict[str, Tensor] = {}
    numbers: list[str] = []
    for name, value in state.items():
        if not isinstance(name, str):
            raise InputError(f"{path}: the name of a weight is {type(name).__name__}, not text.")
        if isinstance(value, Tensor):
            tensors[name] = value
        elif isinstance(value, int | float) and len(state) > 1:
            numbers.append(name)
        elif not (isinstance(value, Mapping) and any(label.startswith(f"{name}") for label in found if label)):
            raise InputError(f"{path}: {name!r} is {type(value).__name__}, not a tensor.")
    if not tensors:
        raise InputError(f"{path}: holds no tensors, so it is not a state dict (names and tensors).")
    if numbers:
        log.warning("%s: ignored, because they are numbers and not tensors: %s", path.name, some_names(numbers))
    return tensors


def _candidates(content: Any, label: str = "", depth: int = 0) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Every mapping that holds tensors, by the names that lead to it; an optimiser's and the like are left out."""
    if not isinstance(content, Mapping) or depth > DEEPEST:
        return
    if any(isinstance(value, Tensor) for value in content.values()):
        yield label, content
    for name, value in content.items():
        if isinstance(name, str) and isinstance(value, Mapping) and not _OF_TRAINING.search(name):
            yield from _candidates(value, f"{label}.{name}" if label else name, depth + 1)


def _chosen(found: Mapping[str, Mapping[Any, Any]], path: Path) -> str:
    """The label of those meant.

    Raises:
        InputError: nobody can say.
    """
    last = [label for label in found if not is_averaged(label)]
    known = [label for label in KNOWN if label in last]
    if not last:
        chosen = next(iter(found))
        if len(found) > 1:
            _ask(found, path)
        log.warning("%s: using the averaged weights under %r; there are no others", path.name, chosen)
        return chosen
    if len(last) > 1 and not known:
        if "" not in last:
            _ask(last, path)
        known = [""]
    chosen = known[0] if known else last[0]
    others = [label for label in found if label != chosen]
    if others:
        log.warning(
            "%s: using the weights %s; there are also %s. To use those, save them alone.",
            path.name,
            f"under {chosen!r}" if chosen else "at the top",
            some_names([repr(one) for one in others]),
        )
    elif chosen:
        log.info("%s: using the weights under %r", path.name, chosen)
    return chosen


def _ask(labels: Any, path: Path) -> None:
    raise InputError(
        f"{path}: holds several sets of weights: {some_names(list(labels))}. Save only the set to be used."
    )


def some_names(names: list[str], limit: int = 3) -> str:
    """The first of some names in words, and how many more there are."""
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
