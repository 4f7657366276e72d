"""An accepted send that has no result yet: it is shown as `queued`, from its record on Kafka.

The sender reports each send that it puts into a store. Until then the send's record is unfinished on Kafka, so it is
looked up there, and then once more in MongoDB, because a result may have been on its way (docs/decisions/0031).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from common.contracts.ids import journal_id
from common.errors import NotFound
from common.kafka.consume.unfinished import Unfinished
from conversation.batch.statuses import QUEUED
from conversation.read_api.queries import Reach
from conversation.read_api.reads import Reads
from conversation.read_api.views import message_view

NOT_TAKEN_UP: Final = "not_taken_up"
BEHIND_OTHERS: Final = "behind_others"
"""Why it waits, as the sender's API says it: it has yet to be read, or an earlier message of its conversation waits."""

_ON_ITS_WAY_SECONDS: Final = 0.5
"""How long to wait for a result that the sender has written and conversation has yet to store."""

FindUnfinished = Callable[[str, str], Awaitable[Unfinished | None]]


@dataclass(frozen=True, slots=True)
class MessageLookup:
    """Finds one message in MongoDB, or as an unfinished send on Kafka, where `unfinished` looks."""

    reads: Reads
    unfinished: FindUnfinished

    async def one(self, reach: Reach, message_id: str, chatbot_id: str | None) -> dict[str, Any]:
        """The message by any of its ids. Raises `NotFound`, and `Unavailable`."""
        try:
            return await self._stored(reach, message_id, chatbot_id)
        except NotFound:
            if chatbot_id is None or not reach.includes(chatbot_id):
                raise
        there = await self.unfinished(chatbot_id, message_id)
        if there is not None:
            before = there.before
            waits_behind = before and not await self.reads.exact(lambda queries: queries.have_ended(before))
            return queued(chatbot_id, message_id, there, BEHIND_OTHERS if waits_behind else NOT_TAKEN_UP)
        await asyncio.sleep(_ON_ITS_WAY_SECONDS)
        return await self._stored(reach, message_id, chatbot_id)

    async def _stored(self, reach: Reach, message_id: str, chatbot_id: str | None) -> dict[str, Any]:
        return message_view(await self.reads.exact(lambda queries: queries.message(reach, message_id, chatbot_id)))


def queued(chatbot_id: str, message_id: str, there: Unfinished, reason: str) -> dict[str, Any]:
    """The answer for a send that is on Kafka only. Pure."""
    fields = {
        "id": journal_id(chatbot_id, message_id),
        "direction": "outbound",
        "chatbotId": chatbot_id,
        "messageId": message_id,
        "deliveryStatus": QUEUED,
        "reason": reason,
        "due": there.since,
        "createdAt": there.since,
    }
    return {name: value for name, value in fields.items() if value is not None}
