"""Readers who page through the thread of a conversation, again and again, by the API."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from aiohttp import ClientError

from chaos.merging.seeds import BY_PHONE, BY_USER, Json, Seed
from chaos.merging.walk import Merged, Walk
from testbed.client import Client, StepFailed

log = logging.getLogger(__name__)

_LIMITS: Final = (100, 7, 50, 33)
"""Messages on a page: pages of other sizes end elsewhere. Through many messages with the largest alone."""

_MANY: Final = 100_000
_REST_SECONDS: Final = 0.01
_AGAIN_SECONDS: Final = 0.5
_PAGE_SECONDS: Final = 30.0


class Reader:
    """One task for each of the two ids calls `read`. What was wrong goes into `merged`."""

    def __init__(self, client: Client, seeds: tuple[Seed, Seed], marker: str, merged: Merged) -> None:
        self._client = client
        self._seeds = seeds
        self._marker = marker
        self._begun = {seed.side: asyncio.Event() for seed in seeds}
        self._stopped = False
        self._merged = merged
        self._walks = 0

    async def read(self, side: str, ids: Mapping[str, str]) -> None:
        """Walk through the thread by the id of one side, again and again, until `stop`."""
        while not self._stopped:
            merged = await self._is_merged(ids)
            await self._walk(ids[side], set(ids) if merged else {side}, f"by {side}", self._begun[side])

    def stop(self) -> None:
        """End with the walks that have begun."""
        self._stopped = True

    async def begun(self) -> None:
        """Wait until both have seen a page of their conversation as it was before."""
        for begun in self._begun.values():
            await begun.wait()

    async def last_walk(self, ids: Mapping[str, str]) -> Walk:
        """One walk that has to see everything."""
        return await self._walk(ids[BY_PHONE], set(ids), "afterwards", asyncio.Event())

    async def _is_merged(self, ids: Mapping[str, str]) -> bool:
        answer = await self._get(f"/conversations/{ids[BY_PHONE]}")
        return bool(answer["data"]["id"] == ids[BY_USER])

    async def _walk(self, conversation_id: str, whole: set[str], name: str, begun: asyncio.Event) -> Walk:
        self._walks += 1
        limit = _LIMITS[0 if self._seeds[1].count > _MANY else self._walks % len(_LIMITS)]
        walk = Walk(f"walk {self._walks} {name}", self._seeds, whole, self._marker)
        path, cursor = f"/conversations/{conversation_id}/messages?limit={limit}", ""
        while True:
            page = await self._get(path + cursor)
            walk.see(page["data"])
            begun.set()
            if page["cursor"] is None:
                break
            cursor = f"&cursor={page['cursor']}"
            await asyncio.sleep(_REST_SECONDS)
        walk.end(self._merged)
        return walk

    async def _get(self, path: str) -> Json:
        """The answer, once there is one: faults may keep it away for a while."""
        while True:
            try:
                async with asyncio.timeout(_PAGE_SECONDS):
                    return await self._client.api("GET", path)
            except (ClientError, StepFailed, OSError, ValueError, TimeoutError) as error:
                log.info("a page did not come: %r", error)
                await asyncio.sleep(_AGAIN_SECONDS)
