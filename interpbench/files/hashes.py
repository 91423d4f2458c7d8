"""SHA-256 of the files that a command reads: each is hashed once, and again where it changed."""

from __future__ import annotations

import threading
from pathlib import Path

from interpbench.errors import InputError
from interpbench.files.atomic import sha256_of

Signature = tuple[int, ...]


class Hashes:
    """The hashes of one command. A file is hashed again where its place, size or times are others than before.

    Threads may share it, and a forked process goes on with what was known when it was forked.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._each: dict[str, threading.Lock] = {}
        self._known: dict[str, tuple[Signature, str]] = {}

    def of(self, path: Path | str) -> str:
        """SHA-256 of a file's bytes, in hexadecimal.

        Raises:
            InputError: it cannot be read.
        """
        name = str(Path(path).absolute())
        with self._lock:
            own = self._each.setdefault(name, threading.Lock())
        try:
            with own:
                now = signature_of(path)
                known = self._known.get(name)
                if known is None or known[0] != now:
                    known = self._known[name] = (now, sha256_of(path))
                return known[1]
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error


def signature_of(path: Path | str) -> Signature:
    """What changes with a file's bytes, as far as the file system tells: where it lies, its size, its times.

    Raises:
        OSError: there is no such file.
    """
    found = Path(path).stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
