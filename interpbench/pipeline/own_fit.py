"""The fit that `explain` makes for itself, in `OUT/fitted`: marked as its own, so that no other fit is ever removed."""

from __future__ import annotations

from pathlib import Path

from interpbench.cohort.recorded_splits import SPLIT_TABLE
from interpbench.files.atomic import write_text
from interpbench.files.run_folder import FAILURES, SUMS
from interpbench.pipeline.fitted import RECORD, STATE, TIMES, WORKSPACE

MARK = ".of-explain"
# All but the manifest: it goes on saying that the folder is a run's, also where a user has put something into it.
_WRITTEN = (STATE, RECORD, TIMES, SPLIT_TABLE, FAILURES, SUMS, WORKSPACE)


def mark_own(folder: Path) -> None:
    """Mark a folder that `explain` is about to fit into, where nothing is in it yet."""
    if not folder.is_symlink() and (not folder.exists() or not any(folder.iterdir())):
        write_text(folder / MARK, "")


def own_files(folder: Path) -> tuple[str, ...]:
    """What `explain` itself may remove of its fit, relative to its output: nothing of a fit that a user put there."""
    if folder.is_symlink() or not (folder / MARK).is_file():
        return ()
    return tuple(f"{folder.name}/{name}" for name in _WRITTEN)
