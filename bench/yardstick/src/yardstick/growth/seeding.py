"""MongoDB filled with conversations as conversation writes them, faster than it could: one each, with one message."""

import asyncio
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import gcd
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from pymongo import MongoClient, WriteConcern

from common.contracts.contacts import Contact
from common.contracts.ids import derive_id, inbound_message_id
from common.kafka.records import Outgoing
from common.mongo import Mongo, MongoSettings
from common.security.callbacks import Callbacks
from common.security.digests import DigestKeys
from conversation.batch.core import plan
from conversation.batch.documents import aliases_of, contact_document
from conversation.batch.facts import read
from conversation.batch.working_set import CONTACT_AT, PHONE_AT, Document, Known
from conversation.store import ConversationStore
from yardstick.load.webhooks import NUMBERS, webhook_records, written_at
from yardstick.rig.rig import Rig
from yardstick.services.sender import chatbot

_BATCH: Final = 10_000
_THREADS: Final = 2
_GOLDEN: Final = 0.618
_CACHE: Final = "cache_size=4G"
"""The cache of a server. With a developer's 0.25 GB, mongod rolls back writes to so many pages at once."""


_CALLBACKS: Final = Callbacks(DigestKeys({"bench": bytes(32)}, "bench"))


@dataclass(slots=True)
class _Consumed:
    """A record in the form of Kafka's client."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Iterable[tuple[str, bytes]]
    partition: int = 0
    offset: int = 0


def planned(customer: int, now: datetime) -> tuple[Document, Document]:
    """The conversation and the message that the service itself makes of a customer's first message."""
    (record,) = webhook_records(1, customers=customer + 1, first=customer, now=written_at(customer))
    fact = read(_Consumed(record.topic, record.key.encode(), record.value, record.headers), _CALLBACKS)
    number = customer % NUMBERS
    working = plan([fact], Known(), {f"1065403522{number:05}": chatbot(number)}, now).working  # type: ignore[list-item]  # it is not poison
    (conversation,), (message,) = working.conversations.values(), working.messages.values()
    return conversation.document, {**message.document, "conversationId": message.conversation_id}


class Seeds:
    """What the service makes of the first message of any customer, copied from what it makes of customer 0's."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._conversation, self._message = planned(0, now)

    def of(self, customer: int) -> tuple[Document, Document]:
        """A customer's conversation and message."""
        number = customer % NUMBERS
        whose = {"chatbotId": chatbot(number), "phoneNumberId": f"1065403522{number:05}"}
        contact = Contact(
            user_id=f"DE.{1_349_000_000_000 + customer}", wa_id=f"4915{customer:09}", name=f"Customer {customer}"
        )
        aliases = aliases_of(whose["phoneNumberId"], contact)
        conversation_id = derive_id("conversation", whose["chatbotId"], aliases[0], self._now.isoformat())
        at = self._message["timestamp"] + timedelta(seconds=customer // 1000)
        known_as = {"contact": contact_document(contact), **whose}
        moments = dict.fromkeys(("lastMessageAt", "lastInboundAt", CONTACT_AT, PHONE_AT), at)
        conversation = {**self._conversation, **known_as, **moments, "_id": conversation_id, "aliases": aliases}
        message = {
            **self._message,
            **known_as,
            **self._said(customer, contact, at, whose["phoneNumberId"]),
            "conversationId": conversation_id,
        }
        return conversation, message

    def _said(self, customer: int, contact: Contact, at: datetime, number: str) -> Document:
        first = self._message
        wamid = f"{first['wamid'][:-12]}{customer:012}"
        raw = (
            first["raw"]
            .replace(first["contact"]["waId"], contact.wa_id)
            .replace(first["contact"]["userId"], contact.user_id)
            .replace(first["wamid"], wamid)
            .replace(f'"{first["timestamp"].timestamp():.0f}"', f'"{at.timestamp():.0f}"')
            .replace("number 0?", f"number {customer}?")
        )
        text = first["text"].replace("number 0?", f"number {customer}?")
        return {"_id": inbound_message_id(number, wamid), "wamid": wamid, "text": text, "raw": raw, "timestamp": at}


def scattered(size: int, count: int) -> Iterator[int]:
    """Numbers of `count` messages to `size` customers: all different, in turn, with neighbours far apart."""
    stride = max(1, int(size * _GOLDEN))
    while gcd(stride, size) > 1:
        stride += 1
    return iter(range(size, size + count * stride, stride))


def records(size: int, count: int) -> list[Outgoing]:
    """The webhooks of those messages: of customers that are all in the seed."""
    return [record for first in scattered(size, count) for record in webhook_records(1, customers=size, first=first)]


async def seed(rig: Rig, database: str, size: int, mongod: int | None) -> None:
    """`size` conversations, then indexes by the service; on the disk at last, so that MongoDB is quiet.

    The service must not run yet: its core is used, too. `mongod` is the pid of the server, if it is here.
    """
    mongo = Mongo(MongoSettings(mongodb_uri=SecretStr(rig.mongodb), mongodb_database=database))
    try:
        with _everywhere(rig, [os.getpid(), *([mongod] if mongod is not None else [])]):
            await mongo.client.admin.command("setParameter", 1, wiredTigerEngineRuntimeConfig=_CACHE)
            await asyncio.to_thread(_fill, rig, database, size)
            await ConversationStore(
                mongo
            ).ensure_indexes()  # an index of existing data is built faster than a growing one
            await mongo.client.admin.command("fsync")
    finally:
        await mongo.close()


def _fill(rig: Rig, database: str, size: int) -> None:
    seeds = Seeds(datetime.now(UTC))
    client: MongoClient[dict[str, Any]] = MongoClient(rig.mongodb, tz_aware=True)
    quick = client.get_database(database, write_concern=WriteConcern(w=1, j=False))

    def insert(first: int) -> None:
        made = [seeds.of(customer) for customer in range(first, min(first + _BATCH, size))]
        quick["conversations"].insert_many([conversation for conversation, _ in made], ordered=False)
        quick["messages"].insert_many([message for _, message in made], ordered=False)

    with client, ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(insert, range(0, size, _BATCH)):
            pass


@contextmanager
def _everywhere(rig: Rig, pids: Sequence[int]) -> Iterator[None]:
    """Let these processes use all cores during the block."""
    _bind(pids, rig.cores.service | rig.cores.rest)
    try:
        yield
    finally:
        _bind(pids, rig.cores.rest)


def _bind(pids: Sequence[int], cores: frozenset[int]) -> None:
    for task in [int(task.name) for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]:
        with suppress(ProcessLookupError):  # a thread may have ended
            os.sched_setaffinity(task, cores)
