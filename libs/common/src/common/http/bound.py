"""Taking a port before anything else starts: one sentence when it cannot be had."""

import errno
import os
import socket
from typing import Final

_BACKLOG: Final = 2048  # as uvicorn has it
_WHY: Final = {
    errno.EADDRINUSE: "it is in use already; stop the other process or choose another port",
    errno.EACCES: "this user may not open it; choose a port from 1024",
    errno.EADDRNOTAVAIL: "this machine does not have the address",
}


class NoPort(Exception):
    """A listener's port cannot be had. `position` is the listener's, from 0; the message says what to do."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


def listen_on(position: int, host: str, port: int) -> list[socket.socket]:
    """Listening sockets for every address of `host`. Raises `NoPort`.

    They listen at once, because two processes may bind the same port until one of them listens (Linux, socket(7):
    SO_REUSEADDR). Clients wait until the application has started.
    """
    opened: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in _addresses(host, port):
            opened.append(_open(family, kind, protocol, address))
    except OSError as error:
        for one in opened:
            one.close()
        raise NoPort(position, f"cannot listen on port {port} of {host}: {_reason(error)}") from None
    return opened


def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(found))  # a name may stand for the same address twice


def _open(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart need not wait for old connections
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # the IPv4 address has a socket of its own
        made.setblocking(False)  # noqa: FBT003  # its signature
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the host name is not known"
    return _WHY.get(error.errno or 0) or os.strerror(error.errno or 0)
