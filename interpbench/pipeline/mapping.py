"""Maps of a few subjects: each under its own seed, and nothing but the map is left behind."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from interpbench.errors import InterpbenchError, ResourceError
from interpbench.interfaces import Explainer, Predictor
from interpbench.pipeline.checking import checked_extras, checked_maps, trouble
from interpbench.pipeline.components import has_seed
from interpbench.untouched import Restore, untouched


@dataclass(frozen=True, eq=False)
class Explained:
    """One subject's map `(I, J, K)`, and the named maps that the method keeps beside it."""

    map: Tensor
    extras: dict[str, Tensor] = field(default_factory=dict)


def subject_seed(seed: int, subject: str, method: str) -> int:
    """A seed of 31 bits that one subject has under one method, whoever else is in the run."""
    digest = hashlib.sha256(f"{seed}:{subject}:{method}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def maps_of(
    explainer: Explainer, predictor: Predictor, volumes: Tensor, subjects: Sequence[str], method: str, seed: int
) -> list[Tensor | InterpbenchError]:
    """The maps alone of `explained`, which see."""
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
    """Explain some subjects; one that fails does not take the others with it.

    An explainer with an option `seed` gets each subject alone, with the subject's own seed.

    Args:
        volumes: `(B, 1, I, J, K)`.
        subjects: their labels.
        put_back: `remembered(predictor.module)`, where many are explained one after the other: the network is then
            copied once, and not for each of them.

    Returns:
        For each subject its map and extras, or why there is none.

    Raises:
        ResourceError: memory ran out with one subject.
    """
    if len(subjects) == 1 or not has_seed(type(explainer)):
        try:
            return _at_once(explainer, predictor, volumes, subjects[0], method, seed, put_back)
        except InterpbenchError as error:
            if len(subjects) == 1:
                if isinstance(error, ResourceError):
                    raise
                return [error]
    found: list[Explained | InterpbenchError] = []
    for index, subject in enumerate(subjects):
        one = volumes[index : index + 1]
        found += explained(explainer, predictor, one, [subject], method, seed, put_back=put_back)
    return found


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
    with _as_found(predictor, volumes, put_back):
        random.seed(own)
        np.random.seed(own)
        torch.manual_seed(own)
        try:
            maps, extras = explainer.explain_with_extras(predictor, volumes)
        except Exception as error:
            raise trouble(error, f"method {method!r}", volumes) from error
    maps, extras = checked_maps(maps, volumes, method), checked_extras(extras, volumes, method)
    named = [{name: values[index] for name, values in extras.items()} for index in range(len(maps))]
    return [Explained(map, beside) for map, beside in zip(maps, named, strict=True)]


@contextlib.contextmanager
def _as_found(predictor: Predictor, volumes: Tensor, put_back: Restore | None) -> Iterator[None]:
    if put_back is None:
        with untouched(predictor.module, volumes):
            yield
        return
    with untouched(nn.Module(), volumes):
        try:
            yield
        finally:
            put_back()
