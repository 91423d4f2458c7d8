"""The subjects that failed in a run: rows of `failures.tsv`, and the error that ends such a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interpbench.errors import SubjectsFailed


def failure(subject: str, file: Any, message: object) -> dict[str, Any]:
    """One row of `failures.tsv`."""
    return {"participant_id": f"sub-{subject.removeprefix('sub-')}", "file": file, "message": str(message)}


def finish(failures: Sequence[Mapping[str, Any]], listed: Path, done: int) -> None:
    """End a run with an error if subjects failed.

    Raises:
        SubjectsFailed: subjects failed; the message counts them and names the list.
    """
    if failures:
        first = failures[0]
        raise SubjectsFailed(
            f"{len(failures)} of {len(failures) + done} subjects failed; {listed} lists them."
            f" The first is {first['participant_id']}: {first['message']}"
        )
