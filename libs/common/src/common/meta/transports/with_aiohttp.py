"""aiohttp: a tested alternative, twice the CPU of pyreqwest. Installed with tests and benchmarks only."""

import ssl

import aiohttp

from common.meta.call_ends import Answered, CallEnd, NotSent
from common.meta.transports.letter import Letter
from common.meta.transports.reasons import reason_of
from common.meta.transports.transport import AGENT, IDLE_SECONDS, Limits


class AiohttpTransport:
    """A session, which begins with the first call because it needs the running loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, token: str, payload: bytes) -> CallEnd:
        """See `Transport`."""
        letter = Letter(payload)
        session = self._session = self._session or _session(self._limits)
        headers = {
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "content-length": str(len(payload)),
        }
        try:
            async with session.post(url, data=letter, headers=headers, allow_redirects=False) as response:
                return Answered(response.status, await response.read())
        except aiohttp.InvalidURL:
            return NotSent("unusable_token_or_number")
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:  # a closed session is a RuntimeError
            return letter.failed(reason_of(error))

    async def close(self) -> None:
        """See `Transport`."""
        if self._session is not None:
            await self._session.close()


def _session(limits: Limits) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=limits.max_in_flight, keepalive_timeout=IDLE_SECONDS, ssl=ssl.create_default_context()
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=limits.total_seconds, connect=limits.connect_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"user-agent": AGENT},
        proxy=limits.proxy,
    )
