"""One process at a time: what several would make at the same moment is made once, and the others wait for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process is inside with this path, and keep others out.

    The lock is on a file of that path, which is there while somebody is inside, and after one who was killed there: the
    lock itself ends with its process. On a file system without locks nobody waits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _locked(handle, path):
            os.close(handle)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _locked(handle: int, path: Path) -> bool:
    """Wait for the lock; whether the file still has that path, which who was inside before takes away."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:  # no locks here
        return True
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
