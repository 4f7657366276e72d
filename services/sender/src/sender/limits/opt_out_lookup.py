"""The opt-outs that other processes, and earlier ones, have learnt: looked up before a marketing template is sent.

A minute may pass until a process knows that a template is marketing. Whether a person has opted out is looked up for
each send of such a template, many at once; other messages and other templates cost nothing.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from common.errors import Unavailable
from sender.group_commit import GroupCommit
from sender.limits.opt_outs import REMEMBERED, OptOuts

log = logging.getLogger(__name__)

_FRESH: Final = timedelta(minutes=1)


class Store(Protocol):
    """The journal's answers about opt-outs."""

    async def of(self, lanes: Sequence[str]) -> Sequence[datetime | None]:
        """When the person of each lane opted out last."""
        ...

    async def marketing(self, since: datetime) -> list[tuple[str, str]]:
        """The templates that Meta has refused since then because of an opt-out, each with its chatbot."""
        ...


class OptOutLookup:
    """Brings the journal's opt-outs into the memory of this process."""

    def __init__(self, store: Store, known: OptOuts) -> None:
        self._store = store
        self._known = known
        self._asking: GroupCommit[str, datetime | None] = GroupCommit(self._of)
        self._fresh_until: datetime | None = None

    async def learn(self, chatbot: str, person: str, subject: str, now: datetime) -> None:
        """Look up before a template goes to a person. While MongoDB is away, only what this process knows counts."""
        if self._fresh_until is None or now >= self._fresh_until:
            self._fresh_until = now + _FRESH
            await self._learn_templates(now)
        if not self._known.is_marketing(chatbot, subject) or self._known.since(person) is not None:
            return
        at = await self._asking.submit(person)
        if at is not None:
            self._known.learn(person, at)

    async def close(self) -> None:
        """Give up the queries that are not answered yet."""
        await self._asking.close()

    async def _learn_templates(self, now: datetime) -> None:
        try:
            for chatbot, subject in await self._store.marketing(now - REMEMBERED):
                self._known.learn_template(chatbot, subject)
        except Unavailable as error:
            log.warning("could not read opt-outs, Meta decides", extra={"error": error.message})

    async def _of(self, lanes: Sequence[str]) -> Sequence[datetime | None]:
        try:
            return await self._store.of(lanes)
        except Unavailable as error:
            log.warning("could not read opt-outs, Meta decides", extra={"error": error.message})
            return [None] * len(lanes)
