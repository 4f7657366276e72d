"""Connecting only to addresses of the public internet, for URLs that callers name.

A name is resolved here, every address it has is judged, and the connection is made to the very address that was
judged: a name that changes its answer in between (DNS rebinding) gains nothing. Source: OWASP, "Server Side Request
Forgery Prevention"; IANA's special-purpose address registries, as Python's `ipaddress` knows them.
"""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

import httpcore

_NAT64: Final = IPv6Network("64:ff9b::/96")


class PrivateAddress(Exception):
    """A name that leads into a private network."""


def is_public(text: str) -> bool:
    """Whether an IP address is one of the public internet, whatever it is wrapped in."""
    address = ip_address(text)
    if isinstance(address, IPv6Address) and (inner := _carried(address)) is not None:
        address = inner
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _carried(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: mapped, 6to4, Teredo, or by a NAT64 gateway."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """The network of an HTTP client; `private` lets it reach private addresses too."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers. Raises `PrivateAddress`, or httpcore's connection errors."""
        addresses = await _resolved(host, port, timeout)
        if not self._private and not all(map(is_public, addresses)):
            raise PrivateAddress(host)
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)


async def _resolved(host: str, port: int, timeout: float | None) -> list[str]:
    """Every address of a name (or itself, when it is one), in the resolver's order."""
    try:
        async with asyncio.timeout(timeout):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        if isinstance(error, TimeoutError):
            raise httpcore.ConnectTimeout("the name could not be resolved in time") from error
        raise httpcore.ConnectError("the name cannot be resolved") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
