"""A stand-in becomes part of its message. Pure.

Statuses without our callback data know a message by its wamid alone. If they come before the result, they create a
*stand-in*: a message like that of another system, whose id is made of the number, its account and the wamid. Later a
result or a signed status says that the wamid is ours, on that number and in that account. Then the message takes over
the stand-in's history, and the stand-in is deleted. The stand-in's events did not name the send. So the record that
brought the two together publishes them once more, as the message's own.
"""

from typing import Final

from common.contracts.ids import outbound_message_id
from conversation.batch.statuses import advance
from conversation.batch.working_set import Document, Message, WorkingSet

STOOD_IN: Final = "stoodIn"
"""When the stand-in was created that a message has absorbed, because its usage entries may have the stand-in's id.

Earlier versions set it to true.
"""


def stand_in_id(message: Message, wamid: str) -> str:
    """The id of the stand-in for this message and wamid."""
    document = message.document
    return outbound_message_id(document.get("phoneNumberId"), document.get("chatbotId"), wamid)


def absorb(working: WorkingSet, message: Message, wamid: str, *, origin: str, most: int) -> None:
    """Absorb the stand-in of this wamid, if there is one, into `message`, which then has at most `most` statuses.

    `origin` is that of the fact that says whose the wamid is: this record publishes the stand-in's statuses again.
    """
    stand_in = working.messages.get(stand_in_id(message, wamid))
    if stand_in is None or stand_in is message:
        return
    working.absorb(message, stand_in)
    message.set(STOOD_IN, stand_in.document.get("createdAt", True))
    _take_conversation(message, stand_in)
    fresh = set(map(id, stand_in.pushed))  # not published yet: their events will name the message
    for entry in stand_in.document.get("statuses", ()):
        if message.status_entry(entry["key"]) is None and len(message.document.get("statuses", ())) < most:
            message.add_status(entry if id(entry) in fresh else {**entry, "origin": origin})
            message.set("deliveryStatus", advance(message.document.get("deliveryStatus"), entry["status"]))
    if message.document.get("deliveryStatus") == stand_in.document.get("deliveryStatus"):
        message.set("error", stand_in.document.get("error"))


def statuses_to_repeat(message: Message, key: str, origin: str) -> list[Document]:
    """The statuses of the stand-in, which a fact has to publish beside its own, whose key is `key`."""
    return [one for one in message.document.get("statuses", ()) if one["origin"] == origin and one["key"] != key]


def _take_conversation(message: Message, stand_in: Message) -> None:
    if message.conversation_id is None:
        message.conversation = stand_in.conversation
        message.set("conversationId", stand_in.document.get("conversationId"))
    elif stand_in.conversation is not None:
        stand_in.conversation.root.count("outboundCount", -1)
