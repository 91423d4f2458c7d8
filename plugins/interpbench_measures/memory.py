"""The most memory that something takes at one time, beyond what was taken when it began."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

MEBIBYTE = 2**20
EVERY = 0.002  # seconds between two looks
STATM = Path("/proc/self/statm")  # pages: all, resident, ...; Linux only


@dataclass
class Peak:
    """What `peak_memory` found."""

    mebibytes: float = float("nan")


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """Measure the rise of memory while this lasts.

    On CUDA it is what torch allocated at most. On a CPU it is the resident memory of the process, looked at every
    2 ms, after the allocator gave back what it only kept: otherwise a second call would seem to need nothing.

    Yields:
        The rise in MiB, once it has ended; NaN where it cannot be known, as on a CPU without `/proc`.
    """
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        yield peak
        torch.cuda.synchronize(device)
        peak.mebibytes = (torch.cuda.max_memory_allocated(device) - before) / MEBIBYTE
        return
    if device.type != "cpu" or not STATM.exists():
        yield peak
        return
    _trim()
    before = highest = _resident()
    ended = threading.Event()

    def look() -> None:
        nonlocal highest
        while not ended.wait(EVERY):
            highest = max(highest, _resident())

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()
    peak.mebibytes = (max(highest, _resident()) - before) / MEBIBYTE


def _resident() -> int:
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _trim() -> None:
    """Have the C library give unused memory back, where it can."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
