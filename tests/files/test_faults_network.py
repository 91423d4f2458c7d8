"""The whole suite runs with sockets blocked; these cases show that the block holds, in children too."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

REACHING_OUT = {
    "a connection": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "a host's name": "import socket; socket.getaddrinfo('localhost', 80)",
    "a page": "from urllib.request import urlopen; urlopen('http://127.0.0.1:9/')",
    "a datagram": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    "a server": "import socket; socket.create_server(('127.0.0.1', 0))",
}


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("what", REACHING_OUT)
def test_no_test_can_ask_the_network_for(what: str) -> None:
    with pytest.raises(OSError, match="no network in tests"):
        exec(REACHING_OUT[what])


@pytest.mark.parametrize("what", REACHING_OUT)
def test_nor_can_a_process_that_a_test_starts(what: str) -> None:
    ended = subprocess.run([sys.executable, "-c", REACHING_OUT[what]], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "no network in tests" in ended.stderr


def test_sockets_of_the_file_system_are_no_network() -> None:
    """Processes of one machine speak through them."""
    one, two = socket.socketpair()
    with one, two:
        one.sendall(b"hello")
        assert two.recv(5) == b"hello"
