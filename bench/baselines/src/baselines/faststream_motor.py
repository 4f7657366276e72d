"""Conversation as it is usually written: FastStream per message, pydantic, motor; one or several messages at a time.

For each record: the message is inserted if it is absent, the conversation is upserted, both with majority and journal,
an event is published, and the record is acknowledged. `WORKERS` is how many are under way at once (`max_workers`).
With `WORKERS=batch` the same is done for up to 500 records: one bulk write for the messages, one for the conversations,
all events published and then awaited, all records acknowledged together.
"""

import asyncio
import os
from datetime import UTC, datetime
from typing import Any

from faststream import FastStream
from faststream.kafka import KafkaBroker
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel, Field
from pymongo import UpdateOne, WriteConcern

from baselines.faststream_running import run, subscribe

_broker = KafkaBroker(os.environ["KAFKA_BOOTSTRAP_SERVERS"], acks="all", enable_idempotence=True)
_app = FastStream(_broker)
_client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(os.environ["MONGODB_URI"], tz_aware=True)
_database = _client.get_database(os.environ["MONGODB_DATABASE"], write_concern=WriteConcern(w="majority", j=True))


class Contact(BaseModel):
    user_id: str | None = Field(None, alias="userId")
    wa_id: str | None = Field(None, alias="waId")
    name: str | None = None


class Message(BaseModel):
    id: str
    type: str
    timestamp: int
    text: dict[str, str] | None = None


class Data(BaseModel):
    wamid: str
    phone_number_id: str = Field(alias="phoneNumberId")
    contact: Contact
    raw: Message


class Webhook(BaseModel):
    id: str
    type: str
    data: Data


class Incoming(BaseModel):
    message_id: str = Field(serialization_alias="messageId")
    conversation_id: str = Field(serialization_alias="conversationId")
    wamid: str
    text: str | None
    message: Message


_publisher = _broker.publisher(os.environ.get("OUT_TOPIC", "incoming-messages"))


def _message(webhook: Webhook) -> dict[str, Any]:
    data = webhook.data
    return {
        "wamid": data.wamid,
        "conversationId": _conversation(webhook),
        "direction": "inbound",
        "type": data.raw.type,
        "text": (data.raw.text or {}).get("body"),
        "raw": data.raw.model_dump(),
        "timestamp": _at(webhook),
    }


def _conversation(webhook: Webhook) -> str:
    return f"{webhook.data.phone_number_id}|{webhook.data.contact.user_id}"


def _at(webhook: Webhook) -> datetime:
    return datetime.fromtimestamp(webhook.data.raw.timestamp, UTC)


def _change(first: Webhook, last: datetime, count: int) -> dict[str, Any]:
    """The upsert of a conversation in which `count` messages are new."""
    contact = first.data.contact.model_dump()
    return {
        "$setOnInsert": {
            "phoneNumberId": first.data.phone_number_id,
            "contact": contact,
            "createdAt": _at(first),
        },
        "$max": {"lastMessageAt": last},
        "$inc": {"inboundCount": count},
    }


def _event(webhook: Webhook) -> Incoming:
    data = webhook.data
    return Incoming(
        message_id=webhook.id,
        conversation_id=_conversation(webhook),
        wamid=data.wamid,
        text=(data.raw.text or {}).get("body"),
        message=data.raw,
    )


async def _handle(webhook: Webhook) -> None:
    done = await _database["messages"].update_one({"_id": webhook.id}, {"$setOnInsert": _message(webhook)}, upsert=True)
    if done.upserted_id is None:
        return
    conversation = _conversation(webhook)
    change = _change(webhook, _at(webhook), 1)
    await _database["conversations"].update_one({"_id": conversation}, change, upsert=True)
    await _publisher.publish(_event(webhook), key=conversation.encode())


async def _handle_batch(webhooks: list[Webhook]) -> None:
    inserts = [UpdateOne({"_id": each.id}, {"$setOnInsert": _message(each)}, upsert=True) for each in webhooks]
    done = await _database["messages"].bulk_write(inserts, ordered=False)
    new = [webhooks[place] for place in sorted(done.upserted_ids or {})]
    if not new:
        return
    talks: dict[str, list[Webhook]] = {}
    for webhook in new:
        talks.setdefault(_conversation(webhook), []).append(webhook)
    changes = [
        UpdateOne({"_id": talk}, _change(them[0], max(map(_at, them)), len(them)), upsert=True)
        for talk, them in talks.items()
    ]
    await _database["conversations"].bulk_write(changes, ordered=False)
    sent = [await _publisher.publish(_event(each), key=_conversation(each).encode(), no_confirm=True) for each in new]
    await asyncio.gather(*sent)


subscribe(_broker, _handle, _handle_batch, max_records=500)


async def _run() -> None:
    await _database["messages"].create_index("wamid", unique=True)
    await _app.run()


def main() -> None:
    """Run until SIGTERM."""
    run(_run())


if __name__ == "__main__":
    main()
