"""Locks between processes; each ends with its process, so that none is ever left behind."""

from __future__ import annotations

import contextlib
import os
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process is inside with this path, and keep others out: what several would make is made once.

    The lock is on a file of that path, which is there while somebody is inside, and after a process that was killed
    there: the lock itself ends with its process. On a file system without locks nobody waits.
    """
    from filelock import FileLock  # not above: it takes longer to import than a command to start

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, mode=0o600)
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError, NotImplementedError):  # no locks here
            held.enter_context(lock)
        try:
            yield
        finally:
            if lock.is_locked:  # whoever waits for the file that is gone takes the next one
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


class FolderLock:
    """This process works in a folder, with others or alone, for as long as the object lives.

    On a file system without locks nobody can tell who else is there.
    """

    def __init__(self, folder: Path) -> None:
        self._handle = None if sys.platform == "win32" else os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    @classmethod
    def on(cls, folder: Path) -> FolderLock:
        """The process's one hold on the folder."""
        key = os.path.realpath(folder)
        hold = _holds.get(key)
        if hold is None:
            hold = _holds[key] = cls(folder)
        return hold

    def alone(self) -> bool | None:
        """Whether no other process uses the folder; then none can before `share`. None if locks are not supported."""
        if self._handle is None or sys.platform == "win32":
            return None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # no locks here
            return None
        return True

    def share(self) -> None:
        """Let others in; wait where another process is alone in there at this moment."""
        if self._handle is not None and sys.platform != "win32":
            try:
                fcntl.flock(self._handle, fcntl.LOCK_SH)
            except OSError:  # no locks here
                return

    def __del__(self) -> None:
        handle = getattr(self, "_handle", None)
        if handle is not None:
            os.close(handle)


_holds: weakref.WeakValueDictionary[str, FolderLock] = weakref.WeakValueDictionary()
