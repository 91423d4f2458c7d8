"""Makes the maps of some subjects, each with its own seed and without side effects."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import json
import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from interpbench.contract.interfaces import Explainer, Predictor
from interpbench.doubts import MEMORY, Doubt
from interpbench.errors import InterpbenchError, NotApplicable, PluginError, ResourceError, one_line
from interpbench.host.checking import checked_extras, checked_maps
from interpbench.host.components import has_seed
from interpbench.host.foreign import asking
from interpbench.host.untouched import Restore, untouched

log = logging.getLogger("interpbench")

BATCH_SIZE = "batch_size"  # the option of a method that sends many volumes at once through the network


@dataclass(frozen=True, eq=False)
class Explained:
    """One subject's map `(I, J, K)`, the further maps that the method returns, warnings and figures."""

    map: Tensor
    extras: dict[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    measured: dict[str, float] = field(default_factory=dict)


def subject_seed(seed: int, subject: str, method: str) -> int:
    """The 31-bit seed of a subject for a method; it does not depend on the other subjects."""
    digest = hashlib.sha256(f"{seed}:{subject}:{method}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def maps_of(
    explainer: Explainer, predictor: Predictor, volumes: Tensor, subjects: Sequence[str], method: str, seed: int
) -> list[Tensor | InterpbenchError]:
    """The maps of `explained`, without extras and notes."""
    found = explained(explainer, predictor, volumes, subjects, method, seed)
    return [one.map if isinstance(one, Explained) else one for one in found]


def explained(
    explainer: Explainer,
    predictor: Predictor,
    volumes: Tensor,
    subjects: Sequence[str],
    method: str,
    seed: int,
    *,
    put_back: Restore | None = None,
) -> list[Explained | InterpbenchError]:
    """Explain some subjects; one that fails does not affect the others.

    An explainer with an option `seed` gets each subject alone, with the subject's own seed.

    Args:
        volumes: `(B, 1, I, J, K)`.
        subjects: their labels.
        put_back: `remembered(predictor.module)`, where many are explained one after the other: the network is then
            copied once, and not for each of them.

    Returns:
        For each subject its map and extras, or why there is none.
    """
    together = len(subjects)
    if together == 1 or not has_seed(type(explainer)):
        try:
            return _at_once(explainer, predictor, volumes, subjects[0], method, seed, put_back)
        except ResourceError as error:
            if together == 1:
                return [error]
            log.warning("%s: out of memory with %d subjects at once; trying again with half of them", method, together)
            halves = slice(None, together // 2), slice(together // 2, None)
            note = Doubt(
                f"out of memory with {together} subjects at once; they were explained in smaller groups", MEMORY
            )
            return [
                dataclasses.replace(one, notes=(note, *one.notes)) if isinstance(one, Explained) else one
                for some in halves
                for one in explained(
                    explainer, predictor, volumes[some], subjects[some], method, seed, put_back=put_back
                )
            ]
        except InterpbenchError as error:
            if together == 1:
                return [error]
    found: list[Explained | InterpbenchError] = []
    for index, subject in enumerate(subjects):
        one = volumes[index : index + 1]
        found += explained(explainer, predictor, one, [subject], method, seed, put_back=put_back)
    return found


def described(explainer: Explainer, predictor: Predictor, volumes: Tensor, method: str) -> dict[str, Any]:
    """The choices that a method made by itself, from `Explainer.describe`; empty if it fails.

    Raises:
        PluginError: it is no mapping, or holds what JSON has no place for.
    """
    with untouched(predictor.module, volumes):
        try:
            with asking(f"method {method!r}", volumes):
                found = explainer.describe(predictor, volumes)
        except NotApplicable:  # the question for a map ends with the reason
            return {}
        except Exception as error:  # another's code
            log.warning("method %r failed to describe itself: %s", method, one_line(error))
            return {}
    try:
        told = json.loads(json.dumps(dict(found), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise PluginError(f"method {method!r} must describe itself with JSON values, got {found!r}.") from error
    return dict(told)


def _at_once(
    explainer: Explainer,
    predictor: Predictor,
    volumes: Tensor,
    subject: str,
    method: str,
    seed: int,
    put_back: Restore | None,
) -> list[Explained | InterpbenchError]:
    own = subject_seed(seed, subject, method)
    if has_seed(type(explainer)):
        explainer = copy.copy(explainer)  # what it has learned goes with it
        object.__setattr__(explainer, "seed", own)
    notes: tuple[str, ...] = ()
    while True:
        try:
            found = _maps(explainer, predictor, volumes, own, method, put_back)
            return [dataclasses.replace(one, notes=(*notes, *one.notes)) for one in found]
        except ResourceError as error:
            size = getattr(explainer, BATCH_SIZE, 1) if not explainer.learned else 1
            if not isinstance(size, int) or size <= 1:
                raise ResourceError(f"{error} Its {BATCH_SIZE} was already 1." if notes else str(error)) from error
            explainer = dataclasses.replace(explainer, **{BATCH_SIZE: size // 2})  # type: ignore[type-var]
            notes = (Doubt(f"out of memory with {BATCH_SIZE}={size}; the map was made with {size // 2}", MEMORY),)
            log.warning("%s: out of memory with %s=%d; trying again with %d", method, BATCH_SIZE, size, size // 2)


def _maps(
    explainer: Explainer, predictor: Predictor, volumes: Tensor, own: int, method: str, put_back: Restore | None
) -> list[Explained]:
    with _as_found(predictor, volumes, put_back) as changed:
        random.seed(own)
        np.random.seed(own)
        torch.manual_seed(own)
        with asking(f"method {method!r}", volumes):
            maps, extras = explainer.explain_with_extras(predictor, volumes)
            notes = tuple(map(str, explainer.map_warnings()))
            measured = {str(name): float(value) for name, value in explainer.map_figures().items()}
    if changed:
        raise PluginError(
            f"method {method!r} changed the network or its input: both are restored, and its map is refused."
        )
    maps, extras = checked_maps(maps, volumes, method), checked_extras(extras, volumes, method)
    named = [{name: values[index] for name, values in extras.items()} for index in range(len(maps))]
    return [Explained(map, beside, notes, measured) for map, beside in zip(maps, named, strict=True)]


@contextlib.contextmanager
def _as_found(predictor: Predictor, volumes: Tensor, put_back: Restore | None) -> Iterator[list[bool]]:
    """Yields a list that stays empty if the method left network, input and random state unchanged."""
    if put_back is None:
        with untouched(predictor.module, volumes) as changed:
            yield changed
        return
    with untouched(nn.Module(), volumes) as changed:
        try:
            yield changed
        finally:
            if put_back():
                changed.append(True)
