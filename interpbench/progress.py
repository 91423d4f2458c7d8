"""Progress bars: on a terminal only, and never with `--quiet`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

_shown: ContextVar[bool | None] = ContextVar("interpbench_progress", default=None)


@contextmanager
def progress_bars(shown: bool | None) -> Iterator[None]:
    """Show progress bars or not; None (the default) shows them on a terminal."""
    token = _shown.set(shown)
    try:
        yield
    finally:
        _shown.reset(token)


def track(items: Iterable[Item], description: str, *, total: int | None = None, unit: str = "it") -> tqdm[Item]:
    """Iterate with a bar that shows the remaining time; `set_postfix` on it shows a figure."""
    shown = _shown.get()
    visible = sys.stderr.isatty() if shown is None else shown
    return tqdm(items, desc=description, total=total, unit=unit, disable=not visible, dynamic_ncols=True)
