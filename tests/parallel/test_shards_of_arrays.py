"""Shards of real arrays: whatever SLURM's numbering, each task finds its own share, and together they have all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from interpbench.errors import UsageError
from interpbench.parallel.shards import shard_of, share_of


def tasks_of(first: int, step: int, number: int, *, old: bool = False) -> list[dict[str, str]]:
    """What SLURM says to each task of `--array=first-last:step`; an older one has no count."""
    numbers = range(first, first + step * number, step)
    told = {"SLURM_ARRAY_TASK_MIN": str(first), "SLURM_ARRAY_TASK_MAX": str(numbers[-1])}
    told |= {"SLURM_ARRAY_TASK_STEP": str(step)} | ({} if old else {"SLURM_ARRAY_TASK_COUNT": str(number)})
    return [{**told, "SLURM_ARRAY_TASK_ID": str(task)} for task in numbers]


@given(some.integers(0, 500), some.integers(1, 9), some.integers(1, 40), some.booleans())
def test_the_tasks_of_an_array_are_numbered_from_0_whatever_its_first_and_step(
    first: int, step: int, number: int, old: bool
) -> None:
    found = [shard_of("auto", task) for task in tasks_of(first, step, number, old=old)]
    assert found == [(place, number) for place in range(number)]


@given(some.integers(0, 30), some.integers(1, 12))
def test_every_item_is_in_exactly_one_share_in_its_order_and_shares_are_even(items: int, number: int) -> None:
    shares = [share_of(range(items), shard_of(f"{place}/{number}")) for place in range(number)]
    assert sorted(item for share in shares for item in share) == list(range(items))
    assert all(share == sorted(share) for share in shares)
    assert {len(share) for share in shares} <= {items // number, -(-items // number)}


@given(some.integers(0, 999_999), some.integers(0, 999_999))
def test_a_share_is_taken_exactly_where_it_lies_below_the_number(index: int, number: int) -> None:
    if index < number:
        assert shard_of(f"{index}/{number}") == (index, number)
    else:
        with pytest.raises(UsageError, match=f"got {index} of {number}"):
            shard_of(f"{index}/{number}")


@pytest.mark.parametrize(
    "numbering", [[0, 1, 2, 7], [1, 5, 6], [0, 10]], ids=lambda numbers: ",".join(map(str, numbers))
)
def test_of_an_array_with_gaps_no_two_tasks_take_the_same_share(numbering: list[int]) -> None:
    told = {"SLURM_ARRAY_TASK_MIN": str(min(numbering)), "SLURM_ARRAY_TASK_COUNT": str(len(numbering))}
    taken = []
    for task in numbering:
        try:
            taken.append(shard_of("auto", {**told, "SLURM_ARRAY_TASK_ID": str(task)}))
        except UsageError:
            continue
    assert len(set(taken)) == len(taken) < len(numbering)


@pytest.mark.parametrize("blank", ["", " ", "\t", "\n"])
@pytest.mark.parametrize("name", ["SLURM_ARRAY_TASK_ID", "RANK", "WORLD_SIZE"])
def test_a_variable_that_is_blank_is_not_set(name: str, blank: str) -> None:
    told = {"RANK": "1", "WORLD_SIZE": "4", name: blank}
    if name == "SLURM_ARRAY_TASK_ID":
        assert shard_of("auto", told) == (1, 4)
    else:
        with pytest.raises(UsageError, match="neither SLURM_ARRAY_TASK_ID nor RANK and WORLD_SIZE are set"):
            shard_of("auto", told)


@pytest.mark.parametrize("value", ["-1", "1.0", "1e1", "0x1", "+1", "1 2", "x", "²"])
@pytest.mark.parametrize("name", ["SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_STEP"])
def test_a_variable_that_is_no_integer_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"{name} must be an integer") as caught:
        shard_of("auto", {**tasks_of(0, 1, 3)[1], name: value})
    assert repr(value) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("task", "expected"), [(0, (0, 3)), (2, (2, 3))])
def test_a_step_of_0_counts_as_none(task: int, expected: tuple[int, int]) -> None:
    assert shard_of("auto", {**tasks_of(0, 1, 3)[task], "SLURM_ARRAY_TASK_STEP": "0"}) == expected


@pytest.mark.parametrize("task", ["0", "3", "6"])
def test_a_task_outside_its_own_array_is_refused(task: str) -> None:
    told = {"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "2", "SLURM_ARRAY_TASK_ID": task}
    with pytest.raises(UsageError, match="of SLURM's array: K must be from 0 to N - 1"):
        shard_of("auto", told)


@pytest.mark.parametrize(
    "word", ["1000000/1000001", "²/3", "1/3/", "/3", "1/", "auto ", " auto", "0 / 1", "1\n/3", "None"]
)
def test_what_is_nearly_a_share_is_refused_with_what_would_be_one(word: str) -> None:
    with pytest.raises(UsageError, match=r"must be K/N, such as 0/4 .*, or auto; got "):
        shard_of(word, {"RANK": "0", "WORLD_SIZE": "2"})
