"""Fetching files from URLs that callers name: streamed, and never from inside our own network."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from email.message import Message
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Annotated, Final
from urllib.parse import unquote

import httpcore
import httpx
from pydantic import Field
from pydantic_settings import BaseSettings

from common.http.fetch.public_network import CheckedNetwork, PrivateAddress

_MAX_REDIRECTS: Final = 3
_MAX_CONNECTIONS: Final = 128
_CONNECT_SECONDS: Final = 5.0
_SILENCE_SECONDS: Final = 15.0
_MAX_NAME: Final = 200
_MAX_PORT: Final = 65_535
_EXTENDED: Final = re.compile(r"filename\*\s*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)
_NO_LINES: Final = dict.fromkeys([*range(32), 127])
_PASSING: Final = frozenset({408, 425, 429})


class FetchSettings(BaseSettings):
    """What may be fetched, and how long it may take; the defaults are for URLs that strangers name."""

    fetch_plain_http: Annotated[bool, Field(description="fetch http:// links too, not only https://")] = False
    fetch_private_addresses: Annotated[
        bool, Field(description="fetch links into private networks too: lets callers reach internal services")
    ] = False
    fetch_seconds: Annotated[float, Field(gt=0, description="for a linked file, its upload included")] = 60.0


class FetchFailed(Exception):
    """A file that cannot be had; `reason` is a short name, `permanent` says that trying again will not help.

    The text never shows the URL, which may hold a secret.
    """

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose reading has begun. `size` is in bytes, None when the server does not tell."""

    mime_type: str
    name: str
    size: int | None
    chunks: AsyncIterator[bytes]


class Fetcher:
    """An HTTP client without memory: no cookies, no credentials, no proxy, at most three redirects."""

    def __init__(self, settings: FetchSettings) -> None:
        self._schemes = {"https", "http"} if settings.fetch_plain_http else {"https"}
        self._client = httpx.AsyncClient(
            transport=_Transport(CheckedNetwork(private=settings.fetch_private_addresses)),
            follow_redirects=False,  # httpx would read a redirect's body into memory, however large
            timeout=httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS),
            # A compressed file has no size before its end, and a small one may be huge inside.
            headers={"accept-encoding": "identity", "user-agent": "whatsapp-cloud-sender"},
            # What one tenant's server sets must not travel with another tenant's request.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            trust_env=False,
        )

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Opened]:
        """The file at `url`, to be read within the context. Raises `FetchFailed`, in `chunks` too."""
        with _told():
            response = await self._answer(url)
        try:
            _judge(response)
            yield Opened(
                mime_type=response.headers.get("content-type", ""),
                name=told_name(response.headers.get("content-disposition", "")) or name_of(response.url.path),
                size=_size_of(response),
                chunks=_chunks(response),
            )
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _answer(self, url: str) -> httpx.Response:
        """The answer at the end of all redirects, its body not yet read."""
        request = self._client.build_request("GET", url)
        for _ in range(_MAX_REDIRECTS + 1):
            self._check(request.url)
            response = await self._client.send(request, stream=True)
            if response.next_request is None:
                return response
            await response.aclose()
            request = response.next_request
        raise FetchFailed("link_redirects_too_often", permanent=True)

    def _check(self, url: httpx.URL) -> None:
        if url.scheme not in self._schemes:
            raise FetchFailed("link_scheme_refused", permanent=True)
        if not url.host or not 0 < (url.port or 443) <= _MAX_PORT:
            raise FetchFailed("link_unusable", permanent=True)


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's own, on a network of ours: it has no argument for that, and its pool is all that it holds."""

    def __init__(self, network: httpcore.AsyncNetworkBackend) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=0,  # a link is fetched once
            network_backend=network,
        )


def told_name(disposition: str) -> str:
    """The file name of a `Content-Disposition`, without folders; empty when there is none.

    `filename*` counts for more than `filename` (RFC 6266, 4.3).
    """
    extended = _EXTENDED.search(disposition)
    header = Message()
    header["Content-Disposition"] = disposition.translate(_NO_LINES)
    told = unquote(extended[1], errors="replace") if extended else header.get_filename("")
    return told.translate(_NO_LINES).replace("\\", "/").rpartition("/")[2].strip()[-_MAX_NAME:]


def name_of(path: str) -> str:
    """The name of a file at the end of a URL's path; empty when there is none."""
    return unquote(path).rpartition("/")[2][-_MAX_NAME:]


@contextmanager
def _told() -> Iterator[None]:
    """Name what went wrong; the client's own words show the URL."""
    try:
        yield
    except FetchFailed:
        raise
    except PrivateAddress:
        raise FetchFailed("link_address_refused", permanent=True) from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError):
        raise FetchFailed("link_unusable", permanent=True) from None
    except Exception as error:  # noqa: BLE001  # whatever a hostile server does to our libraries is its own failure
        raise FetchFailed(type(error).__name__, permanent=False) from None


def _judge(response: httpx.Response) -> None:
    status = response.status_code
    if status != httpx.codes.OK:
        raise FetchFailed(f"http_{status}", permanent=status < 500 and status not in _PASSING)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise FetchFailed("link_compressed", permanent=True)


def _size_of(response: httpx.Response) -> int | None:
    length = response.headers.get("content-length", "")
    told = length.isascii() and length.isdigit() and "transfer-encoding" not in response.headers
    return int(length) if told else None


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    with _told():
        async for chunk in response.aiter_raw():
            yield chunk
