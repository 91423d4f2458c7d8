"""No network: Python imports this at its start where this folder is in PYTHONPATH, and every test sees to that.

Whoever opens a connection, or asks for a host's address, fails; sockets of this machine's file system are no network.
"""

from __future__ import annotations

import errno
import socket
import sys
from typing import Any

FORBIDDEN = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")


def forbid(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook; nothing can remove it."""
    if event in FORBIDDEN:
        first = arguments[0]
        if not (isinstance(first, socket.socket) and first.family == socket.AF_UNIX):
            raise OSError(errno.EPERM, f"no network in tests: {event} of {arguments[1:] or first}")


sys.addaudithook(forbid)
