"""Weights by the network's own names: prefixes of wrappers and additional entries of trainings are removed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from interpbench.errors import InputError
from interpbench.predictor.state_dicts import is_averaged, some_names

log = logging.getLogger("interpbench")

# What wrappers put before every name (DataParallel, Lightning, and habit).
PREFIXES = ("module.", "model.", "net.")
# What wrappers of a part put into the middle of its names: torch.compile, DataParallel.
_INSIDE = ("_orig_mod", "module")
COUNTER = "num_batches_tracked"  # of a batch norm; no prediction depends on it
STATISTICS = ("running_mean", "running_var")  # of a batch norm, or another that counts them
_OF_PROFILERS = ("total_ops", "total_params")  # what thop leaves in every layer


def strip_prefix(
    state: Mapping[str, Tensor], module: nn.Module, source: str | Path = "the weights"
) -> dict[str, Tensor]:
    """The weights by the network's own names, as far as the names in the file match.

    Where the whole network is there under one prefix, what lies outside of it is another's, and left out. All that is
    taken off or left out is said.

    Args:
        state: by the file's names.
        source: the file, for messages.

    Returns:
        By the network's names, where all are found; else with known prefixes off, for `load_weights` to refuse.

    Raises:
        InputError: the network is there under several prefixes.
    """
    own = list(module.state_dict())
    needed = [name for name in own if not name.endswith(COUNTER)]
    plain = {name: tensor for name, tensor in state.items() if name.rpartition(".")[2] not in _OF_PROFILERS}
    if len(plain) < len(state):
        log.warning("%s: ignored: %d counters of a profiler", source, len(state) - len(plain))
    for names in (plain, _without_inner_wrappers(plain, own)):
        found = _prefixes(names, needed)
        if found:
            if names is not plain:
                log.warning("%s: parts of names that a wrapper added were removed: %s", source, _inside(plain, own))
            return _under(_one_of(found, source), names, found, source)
    return _with_known_prefixes_off(plain, own)


def _prefixes(state: Mapping[str, Tensor], needed: list[str]) -> list[str]:
    """The prefixes of the network's names in the file, usually at most one."""
    if not needed:
        return [""] if state else []
    ends = [name.removesuffix(needed[0]) for name in state if name.endswith(needed[0])]
    ends = [prefix for prefix in ends if not prefix or prefix.endswith(".")]
    return [prefix for prefix in ends if all(prefix + name in state for name in needed)]


def _one_of(prefixes: list[str], source: str | Path) -> str:
    last = [prefix for prefix in prefixes if not is_averaged(prefix)]
    if "" in last or len(last or prefixes) == 1:
        return "" if "" in last else (last or prefixes)[0]
    raise InputError(
        f"{source}: holds the network's weights several times, under {some_names([repr(one) for one in prefixes])}."
        " Save only the weights to be used."
    )


def _under(prefix: str, state: Mapping[str, Tensor], prefixes: list[str], source: str | Path) -> dict[str, Tensor]:
    """The weights under a prefix, without the prefix; ignored entries are logged."""
    others = tuple(one for one in prefixes if one and one != prefix)
    rest = [name for name in state if not name.startswith(prefix) or (others and name.startswith(others))]
    taken = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name not in set(rest)}
    if prefix:
        number = f"all {len(taken)}" if not rest else f"{len(taken)}"
        log.warning("The prefix %r was removed from %s weight names.", prefix, number)
    if rest:
        log.warning("%s: ignored, because the network does not have them: %s", source, some_names(rest))
    return taken


def _inside(state: Mapping[str, Tensor], own: list[str]) -> list[str]:
    """The parts of names that wrappers added, and that the network does not have."""
    theirs, ours = ({part for name in names for part in name.split(".")} for names in (state, own))
    return [part for part in _INSIDE if part in theirs and part not in ours]


def _without_inner_wrappers(state: Mapping[str, Tensor], own: list[str]) -> dict[str, Tensor]:
    """The weights by names without those parts; unchanged if two names would become equal."""
    foreign = _inside(state, own)
    found = {".".join(part for part in name.split(".") if part not in foreign): one for name, one in state.items()}
    return found if len(found) == len(state) else dict(state)


def _with_known_prefixes_off(state: Mapping[str, Tensor], own: list[str]) -> dict[str, Tensor]:
    wanted, stripped = set(own), dict(state)
    while stripped and not wanted & set(stripped):
        found = [prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in stripped)]
        if not found:
            break
        log.warning("The prefix %r was removed from all %d weight names.", found[0], len(stripped))
        stripped = {name.removeprefix(found[0]): tensor for name, tensor in stripped.items()}
    return stripped
