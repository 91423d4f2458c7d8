"""Ctrl-C and SIGTERM: the first one ends a run in an orderly way, the second one at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(KeyboardInterrupt):
    """A signal asked the run to end; `exit_code` is 128 plus the signal's number, as in shells."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise `Stopped` in the main thread on the first SIGINT or SIGTERM; a second one has its usual effect.

    A signal that is ignored, as `nohup` and shells in the background do, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _frame: FrameType | None) -> None:
        for one in before:
            signal.signal(one, signal.SIG_DFL)
        raise Stopped(number)

    for number, known in before.items():
        if known is not signal.SIG_IGN and known is not None:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, known in before.items():
            if known is not None:
                signal.signal(number, known)
