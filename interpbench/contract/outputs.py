"""The outputs of a network: one tensor, or several in a list, a tuple or a mapping, counted in columns.

Numbers are counted in columns, from 0 on: over all tensors in their order (a mapping's as its keys come), and within
one tensor over its axes behind the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from interpbench.errors import InputError, PluginError

TOLD = 6  # tensors that a message names


@dataclass(frozen=True, eq=False)
class Output:
    """One tensor of a network's output, as columns."""

    name: str  # by which a message calls it: a mapping's key, or its place
    values: Tensor  # (B, n)
    shape: tuple[int, ...]  # of one volume's, as the network gave it
    start: int  # the column that it begins at, counted over all tensors
    who: str = "the network"  # for messages

    @property
    def numbers(self) -> Tensor:
        """The columns `(B, n)`, if they can be a prediction.

        Raises:
            InputError: they are complex, whole numbers or truth values.
        """
        if self.values.is_floating_point():
            return self.values
        whole = "truth values" if self.values.dtype is torch.bool else "integers"
        kind = "complex numbers" if self.values.is_complex() else f"{whole}, which have no gradient"
        what = f"{self.who}: {self.name}" if self.name else self.who
        raise InputError(
            f"{what} returns {kind} ({self.values.dtype}): the network must return real floating-point numbers."
        )

    @property
    def columns(self) -> int:
        return int(self.values.shape[1])

    @property
    def stop(self) -> int:
        return self.start + self.columns


@dataclass(frozen=True, eq=False)
class Outputs:
    """All tensors of a network's output in their order, at least one.

    As text it says which columns there are: `column 0 is 'age' (1 number), columns 1 to 8 are 'features' (2x2x2)`.
    """

    tensors: tuple[Output, ...]

    def __len__(self) -> int:
        return len(self.tensors)

    @property
    def number(self) -> int:
        """The total number of columns."""
        return self.tensors[-1].stop

    @property
    def count(self) -> str:
        """The number of outputs, in words."""
        return f"{len(self)} outputs" if len(self) > 1 else f"{self.number} numbers"

    def column(self, place: int) -> Tensor:
        """One column `(B,)`, counted over all tensors.

        Raises:
            InputError: there is no such column.
        """
        if not 0 <= place < self.number:
            raise InputError(f"there is no column {place} among the network's outputs: {self}.")
        one = next(one for one in self.tensors if place < one.stop)
        return one.numbers[:, place - one.start]

    def __str__(self) -> str:
        told = [_in_words(one) for one in self.tensors[:TOLD]]
        return ", ".join(told) + (f", and {len(self) - TOLD} more" if len(self) > TOLD else "")


def outputs_of(given: Any, who: str) -> Outputs:
    """The tensors of a network's output in their order; other values are ignored.

    Args:
        given: what its forward pass returned for `(B, 1, I, J, K)`.
        who: how a message calls the network.

    Raises:
        PluginError: there is no tensor in it.
    """
    found: list[Output] = []
    for name, values in _tensors(given, ""):
        start = found[-1].stop if found else 0
        if values.ndim < 2:  # one number a subject; a batch of one, squeezed, has lost its axis
            found.append(Output(name, values.reshape(-1, 1), (), start, who))
        else:
            shape = tuple(int(edge) for edge in values.shape[1:])
            found.append(Output(name, values.flatten(1), shape, start, who))
    if not found:
        raise PluginError(f"{who} must return a tensor, got {_kind(given)}.")
    return Outputs(tuple(found))


def _in_words(one: Output) -> str:
    name = one.name or "its output"
    if one.columns == 1:
        return f"column {one.start} is {name} ({_size(one)})"
    return f"columns {one.start} to {one.stop - 1} are {name} ({_size(one)})"


def _size(one: Output) -> str:
    if one.columns == 1:
        return "1 number"
    edges = one.shape or (one.columns,)
    return f"{edges[0]} numbers" if len(edges) == 1 else "x".join(str(edge) for edge in edges)


def _tensors(given: Any, name: str) -> list[tuple[str, Tensor]]:
    if isinstance(given, Tensor):
        return [(name, given)]
    if isinstance(given, Mapping):
        parts = [(repr(key), value) for key, value in given.items()]
    elif isinstance(given, list | tuple):
        fields = getattr(given, "_fields", None)  # of a named tuple
        names = [repr(one) for one in fields] if fields else [f"output {place}" for place in range(len(given))]
        parts = list(zip(names, given, strict=True))
    else:
        return []
    return [one for inner, value in parts for one in _tensors(value, f"{name}, {inner}" if name else inner)]


def _kind(given: Any) -> str:
    inner = next(iter(given.values() if isinstance(given, Mapping) else given), None) if _holds(given) else None
    return type(given).__name__ + (f" of {type(inner).__name__}" if inner is not None else "")


def _holds(given: Any) -> bool:
    return isinstance(given, Mapping | list | tuple) and len(given) > 0


def one_number(found: Outputs, who: str) -> Tensor:
    """A regressor's number for each subject, `(B,)`.

    Args:
        who: how messages call the network.

    Raises:
        InputError: the network gives several numbers a subject.
    """
    if found.number > 1:
        raise InputError(
            f"{who} returns {found.count} for a volume ({found}), but a prediction is one number:"
            " the network must return one."
        )
    return found.column(0)


def class_scores(found: Outputs, classes: Sequence[str], who: str) -> Tensor:
    """The scores `(B, C)` of a classifier's classes; softmax makes probabilities of them.

    Of several tensors, the one that has as many columns as there are classes. One column will do for two classes, as
    the logit of the second.

    Args:
        who: how messages call the network.

    Raises:
        InputError: another number of outputs than of classes.
    """
    scores = _scores_among(found, classes, who)
    columns, wanted = scores.shape[1], len(classes)
    if columns == 1 and wanted == 2:
        return torch.cat([torch.zeros_like(scores), scores], dim=1)
    if columns != wanted:
        raise InputError(
            f"{who} has {columns} {'output' if columns == 1 else 'outputs'}, but there are {wanted}"
            f" classes ({', '.join(classes)}): the network must have one output per class."
        )
    return scores


def _scores_among(found: Outputs, classes: Sequence[str], who: str) -> Tensor:
    wanted = len(classes)
    fit = [one for one in found.tensors if one.columns == wanted]
    if not fit and wanted == 2:
        fit = [one for one in found.tensors if one.columns == 1]
    if len(found) == 1 or len(fit) == 1:
        return (found.tensors if len(found) == 1 else fit)[0].numbers
    raise InputError(
        f"{who} returns {found.count} for a volume ({found}), and {len(fit)} of them could be the scores of"
        f" {wanted} classes: the network must return the scores only."
    )


def log_odds(scores: Tensor, index: int) -> Tensor:
    """The logit `(B,)` of one class c from scores z `(B, C)`: its log odds against all the others.

        log(p_c / (1 - p_c)) = z_c - log(sum over k other than c of exp(z_k)),  p = softmax(z)

    For two classes that is z_1 - z_0. The bare z_c would not do: adding one number to all scores changes no
    probability, so a voxel that does only that must not count. Log-probabilities in place of scores give the same.
    """
    others = torch.cat([scores[:, :index], scores[:, index + 1 :]], dim=1)
    return scores[:, index] - others.logsumexp(dim=1)
