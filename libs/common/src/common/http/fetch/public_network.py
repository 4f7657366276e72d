"""Connecting only to addresses of the public internet, for URLs that callers name.

A name is resolved here, every address it has is judged, and the connection is made to the very address that was
judged: a name that changes its answer in between (DNS rebinding) gains nothing. Source: OWASP, "Server Side Request
Forgery Prevention"; IANA's special-purpose address registries, as Python's `ipaddress` knows them.
"""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

import httpcore

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052

_NEVER: Final = tuple(
    map(
        ip_network,
        (
            "168.63.129.16/32",  # Azure's platform: metadata, DNS, health (Microsoft Learn, "What is IP address …")
            "100.100.100.200/32",  # Alibaba Cloud's metadata
            "192.0.0.0/24",  # IETF protocol assignments, among them Oracle Cloud's metadata
            "192.88.99.0/24",  # 6to4 relays, deprecated by RFC 7526
            "fec0::/10",  # site-local, deprecated by RFC 3879, and still in use
            "64:ff9b:1::/48",  # NAT64 of a local network, RFC 8215
            "2002::/16",  # 6to4: the relay may be ours
            "2001::/23",  # IETF protocol assignments, Teredo among them
            "5f00::/16",  # segment routing, RFC 9602
            "3fff::/20",  # documentation, RFC 9637
            "100::/64",  # discard only, RFC 6666
            "fd00:ec2::/32",  # AWS's metadata over IPv6
        ),
    )
)
_PUBLIC_IPV6: Final = IPv6Network("2000::/3")
"""All that IANA has given out as global unicast."""

_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)
"""The upper half of an interface id that carries an IPv4 address (RFC 5214 §6.1)."""


class PrivateAddress(Exception):
    """A name that leads into a private network."""


def is_public(text: str) -> bool:
    """Whether an IP address is one of the public internet, whatever it is wrapped in. What is no address is not."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_public(address)
    if address.scope_id is not None:  # a zone is a link of ours
        return False
    if address.ipv4_mapped is not None or address in _NAT64:
        return _is_public(_last_32_bits(address))
    # What else carries an IPv4 address (compatible, translated, 6to4, Teredo) is outside of this or in `_NEVER`.
    outside = _is_public(address) and address in _PUBLIC_IPV6
    return outside and (not _is_isatap(address) or _is_public(_last_32_bits(address)))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if any(address.version == network.version and address in network for network in _NEVER):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _is_isatap(address: IPv6Address) -> bool:
    return (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP


def _last_32_bits(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFF_FFFF)


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
