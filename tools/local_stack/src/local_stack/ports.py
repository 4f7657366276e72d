"""Free TCP ports of this host that stay free while their owner is down for a moment."""

import random
import socket
from pathlib import Path

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000
_TRIES = 500


def below_ephemeral(range_text: str) -> range:
    """The ports from 10000 up to those that the kernel gives to clients ("32768 60999")."""
    return range(_LOWEST, int(range_text.split(maxsplit=1)[0]))


def free_ports(count: int, chance: random.Random | None = None) -> list[int]:
    """`count` different ports on which no process listens.

    They lie outside the range from which the kernel serves outgoing connections: a port of that range could be taken
    by any client while its server is killed and restarted, even by a client that retries that very port and thereby
    connects to itself. When that range leaves no room, the kernel chooses.
    """
    candidates = below_ephemeral(_range_text())
    chance = chance or random.SystemRandom()
    if len(candidates) < count + _TRIES:
        return _from_kernel(count)
    ports: set[int] = set()
    for _ in range(_TRIES):
        port = chance.choice(candidates)
        if port not in ports and is_free(port):
            ports.add(port)
        if len(ports) == count:
            return sorted(ports)
    return _from_kernel(count)


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port now."""
    with socket.socket() as probe:
        # Like servers, so that old connections in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _range_text() -> str:
    try:
        return _EPHEMERAL.read_text(encoding="ascii")
    except OSError:
        return "32768 60999"


def _from_kernel(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return sorted(each.getsockname()[1] for each in sockets)
    finally:
        for each in sockets:
            each.close()
