"""httpx: a tested alternative, for few calls at one time; its pool is quadratic in them."""

import asyncio
import ssl

import httpx

from common.meta.call_ends import Answered, CallEnd, NotSent
from common.meta.transports.letter import Letter
from common.meta.transports.reasons import reason_of
from common.meta.transports.transport import AGENT, IDLE_SECONDS, Limits


class HttpxTransport:
    """One client; the total time is kept around it, because httpx bounds single steps only."""

    def __init__(self, limits: Limits) -> None:
        self._total_seconds = limits.total_seconds
        self._client = httpx.AsyncClient(
            verify=ssl.create_default_context(),
            timeout=httpx.Timeout(limits.total_seconds, connect=limits.connect_seconds, pool=limits.connect_seconds),
            limits=httpx.Limits(
                max_connections=limits.max_in_flight,
                max_keepalive_connections=limits.max_in_flight,
                keepalive_expiry=IDLE_SECONDS,
            ),
            headers={"user-agent": AGENT},
            proxy=limits.proxy,
            trust_env=False,
        )

    async def post(self, url: str, token: str, payload: bytes) -> CallEnd:
        """See `Transport`."""
        letter = Letter(payload)
        headers = {
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "content-length": str(len(payload)),
        }
        try:
            async with asyncio.timeout(self._total_seconds):
                response = await self._client.post(url, content=letter, headers=headers)
            return Answered(response.status_code, response.content)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return NotSent("unusable_token_or_number")
        except (httpx.HTTPError, OSError, ValueError, RuntimeError) as error:  # a closed client is a RuntimeError
            return letter.failed(reason_of(error))

    async def close(self) -> None:
        """See `Transport`."""
        await self._client.aclose()
