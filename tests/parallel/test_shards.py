"""Which share of the subjects a job has."""

from __future__ import annotations

import pytest

from interpbench.errors import UsageError
from interpbench.parallel.shards import shard_of, share_of

LABELS = [f"{number:02d}" for number in range(10)]


def test_the_shares_are_apart_and_together_all_in_turn() -> None:
    for number in (1, 2, 3, 7, 12):
        shares = [share_of(LABELS, (index, number)) for index in range(number)]
        assert sorted(label for share in shares for label in share) == LABELS
        assert shares[0] == LABELS[0::number]
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("word", "environment", "expected"),
    [
        (None, {}, (0, 1)),
        ("2/7", {}, (2, 7)),
        (" 0/1 ", {"RANK": "5", "WORLD_SIZE": "9"}, (0, 1)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "7"}, (3, 7)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "7"}, (3, 7)),
        (
            "auto",
            {
                "SLURM_ARRAY_TASK_ID": "9",
                "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_ARRAY_TASK_STEP": "4",
                "SLURM_ARRAY_TASK_COUNT": "3",
            },
            (2, 3),
        ),
        ("auto", {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "4"}, (2, 5)),
        ("auto", {"RANK": "0", "WORLD_SIZE": "4"}, (0, 4)),
        ("auto", {"RANK": "1", "WORLD_SIZE": "4", "SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "2"}, (0, 2)),
    ],
)
def test_a_share_is_named_or_found_in_the_environment(
    word: str | None, environment: dict[str, str], expected: tuple[int, int]
) -> None:
    assert shard_of(word, environment) == expected


@pytest.mark.parametrize("word", ["", "1", "3/3", "-1/3", "1/0", "a/b", "1/2/3", "0.5/2", "Auto", "1//2"])
def test_what_is_no_share_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="shard"):
        shard_of(word, {})


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"RANK": "1"},
        {"RANK": "4", "WORLD_SIZE": "4"},
        {"RANK": "one", "WORLD_SIZE": "4"},
        {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "3"},
        {
            "SLURM_ARRAY_TASK_ID": "2",
            "SLURM_ARRAY_TASK_MIN": "1",
            "SLURM_ARRAY_TASK_STEP": "4",
            "SLURM_ARRAY_TASK_COUNT": "3",
        },
    ],
)
def test_an_environment_that_does_not_say_which_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="shard"):
        shard_of("auto", environment)
