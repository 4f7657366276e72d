"""Statuses that were published before a result had named their send. Pure.

A status with our callback data names its send by our journal id. The producer's `messageId` and `metadata` are known
only from the send's results. So the first result publishes earlier statuses once more, with the names and with new
event ids, because a consumer that knows the first event by its id must not drop the second.

The message stores which record did so, and for which statuses: a replay of that record publishes the same again, and
another result publishes nothing. Statuses of the same batch are left out, because its events are written after all of
its facts are applied: they have the names already, wherever in the batch the result is.
"""

from collections.abc import Collection
from typing import Final

from common.contracts.topics import SEND_RESULTS
from conversation.batch.working_set import Document, Message

NAMED: Final = "named"
"""Of a message: `by` is the origin of the result that named it, `places` are those of the statuses to publish again."""

_OF_RESULTS: Final = f"{SEND_RESULTS.name}/"


def note_statuses_to_name(message: Message, origin: str, batch: Collection[str]) -> None:
    """Note which statuses were published without the send's names, before the result of this origin brings them.

    `batch` are the origins of the records that are applied together, whose statuses are not published yet.
    """
    if message.document.get("messageId") is not None:
        return
    places = [
        place
        for place, entry in enumerate(message.document.get("statuses", ()))
        if entry["origin"] not in batch and not entry["origin"].startswith(_OF_RESULTS)
    ]
    if places:
        message.set(NAMED, {"by": origin, "places": places})


def statuses_to_name(message: Message, origin: str) -> list[Document]:
    """The statuses that the result of this origin has to publish once more."""
    named = message.document.get(NAMED)
    if named is None or named["by"] != origin:
        return []
    statuses = message.document.get("statuses", ())
    return [statuses[place] for place in named["places"] if place < len(statuses)]


def wamid_of(message: Message, entry: Document) -> str | None:
    """The wamid that a status came with; a message has more than one when Meta took its send twice."""
    first = message.document.get("wamid")
    for wamid in (first, *message.document.get("otherWamids", ())):
        if wamid is not None and entry["key"].startswith(f"{wamid}|{entry['status']}|"):
            return str(wamid)
    return first
