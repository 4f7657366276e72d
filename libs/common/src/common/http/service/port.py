"""Taking a port before anything else starts, with one sentence when that fails."""

import errno
import os
import socket
from collections.abc import Iterable
from typing import Final

_WHY: Final = {
    errno.EADDRINUSE: "it is in use already; stop the other process or choose another port",
    errno.EACCES: "this user may not open it; choose a port from 1024",
    errno.EADDRNOTAVAIL: "this machine does not have the address",
}


class NoPort(Exception):
    """A listener's port cannot be opened. `position` is the listener's, from 0; the message says what to do."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


def bind_to(position: int, host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of `host`. Raises `NoPort`.

    They do not listen yet, so that a client is refused until the application has started. Until then another process
    may bind the same port (Linux, socket(7): SO_REUSEADDR), and the one that listens first has it: see `no_port`.
    """
    opened: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in _addresses(host, port):
            opened.append(_open(family, kind, protocol, address))
    except OSError as error:
        for one in opened:
            one.close()
        raise no_port(position, host, port, error) from None
    return opened


def listening(sockets: Iterable[socket.socket]) -> bool:
    """Whether all of them listen. uvloop says nothing when another process began to listen on the port before us."""
    return all(one.fileno() >= 0 and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1 for one in sockets)


def no_port(position: int, host: str, port: int, error: OSError) -> NoPort:
    """What `error` means, in a sentence."""
    return NoPort(position, f"cannot listen on port {port} of {host}: {_reason(error)}")


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
    except OSError:
        made.close()
        raise
    return made


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the host name is not known"
    return _WHY.get(error.errno or 0) or os.strerror(error.errno or 0)
