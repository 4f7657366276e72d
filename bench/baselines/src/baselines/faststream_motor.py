"""Conversation as it is usually written: FastStream per message, pydantic, motor; one or several messages at a time.

For each record: the message is inserted if it is absent, the conversation is upserted, both with majority and journal,
an event is published, and the record is acknowledged. `WORKERS` is how many are under way at once (`max_workers`).
"""

import os
from datetime import UTC, datetime
from typing import Any

from faststream import FastStream
from faststream.kafka import KafkaBroker
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel, Field
from pymongo import WriteConcern

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


async def _handle(webhook: Webhook) -> None:
    data = webhook.data
    conversation = f"{data.phone_number_id}|{data.contact.user_id}"
    at = datetime.fromtimestamp(data.raw.timestamp, UTC)
    text = (data.raw.text or {}).get("body")
    message = {
        "wamid": data.wamid,
        "conversationId": conversation,
        "direction": "inbound",
        "type": data.raw.type,
        "text": text,
        "raw": data.raw.model_dump(),
        "timestamp": at,
    }
    done = await _database["messages"].update_one({"_id": webhook.id}, {"$setOnInsert": message}, upsert=True)
    if done.upserted_id is None:
        return
    change = {
        "$setOnInsert": {"phoneNumberId": data.phone_number_id, "contact": data.contact.model_dump(), "createdAt": at},
        "$max": {"lastMessageAt": at},
        "$inc": {"inboundCount": 1},
    }
    await _database["conversations"].update_one({"_id": conversation}, change, upsert=True)
    event = Incoming(message_id=webhook.id, conversation_id=conversation, wamid=data.wamid, text=text, message=data.raw)
    await _publisher.publish(event, key=conversation.encode())


subscribe(_broker, _handle)


async def _run() -> None:
    await _database["messages"].create_index("wamid", unique=True)
    await _app.run()


def main() -> None:
    """Run until SIGTERM."""
    run(_run())


if __name__ == "__main__":
    main()
