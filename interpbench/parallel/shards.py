"""The share of the subjects for one of several jobs on one cohort."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from interpbench.errors import UsageError

AUTO = "auto"
Item = TypeVar("Item")


def shard_of(word: str | None, environment: Mapping[str, str] | None = None) -> tuple[int, int]:
    """The share of a job as K, counted from 0, and N.

    Args:
        word: `K/N`; `auto` for what SLURM says of an array's task (SLURM_ARRAY_TASK_ID, _MIN, _STEP, _COUNT), or else
            what launchers such as torchrun say (RANK, WORLD_SIZE); None for all in one.
        environment: the process's own.

    Raises:
        UsageError: no such share, or `auto` where nothing says which.
    """
    if word is None:
        return 0, 1
    if word == AUTO:
        return _from_environment(os.environ if environment is None else environment)
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", word.strip())
    if not found:
        raise UsageError(f"a shard must be K/N, such as 0/4 for the first of four, or {AUTO}; got {word!r}.")
    return _checked(int(found[1]), int(found[2]), word)


def share_of(items: Sequence[Item], shard: tuple[int, int]) -> list[Item]:
    """Every N-th of the items, starting at the K-th."""
    first, step = shard
    return list(items[first::step])


def _from_environment(environment: Mapping[str, str]) -> tuple[int, int]:
    def number(name: str, default: int) -> int:
        text = environment.get(name, "").strip()
        if text and not re.fullmatch(r"\d{1,9}", text):
            raise UsageError(f"shard {AUTO}: {name} must be an integer, got {text!r}.")
        return int(text) if text else default

    def said(name: str) -> bool:
        return bool(environment.get(name, "").strip())

    if said("SLURM_ARRAY_TASK_ID"):
        first, step = number("SLURM_ARRAY_TASK_MIN", 0), number("SLURM_ARRAY_TASK_STEP", 1) or 1
        number_of_tasks = number("SLURM_ARRAY_TASK_COUNT", 0)
        if not number_of_tasks:  # an older SLURM
            number_of_tasks = (number("SLURM_ARRAY_TASK_MAX", first) - first) // step + 1
        offset = number("SLURM_ARRAY_TASK_ID", 0) - first
        if offset % step:
            raise UsageError(
                f"shard {AUTO}: the tasks of the array must be numbered consecutively, such as --array=0-6."
            )
        return _checked(offset // step, number_of_tasks, "of SLURM's array")
    if said("RANK") and said("WORLD_SIZE"):
        return _checked(number("RANK", 0), number("WORLD_SIZE", 1), "of RANK and WORLD_SIZE")
    raise UsageError(
        f"shard {AUTO}: neither SLURM_ARRAY_TASK_ID nor RANK and WORLD_SIZE are set. Give the shard,"
        " such as --shard 0/4."
    )


def _checked(index: int, number: int, what: str) -> tuple[int, int]:
    if not 0 <= index < number:
        raise UsageError(f"shard {what}: K must be from 0 to N - 1, got {index} of {number}.")
    return index, number
