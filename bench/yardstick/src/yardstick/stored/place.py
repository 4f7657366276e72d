"""Databases of several sizes on one mongod, filled and quiet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from pydantic import SecretStr

from common.mongo import Mongo, MongoSettings
from yardstick.rig.rig import Say
from yardstick.stored.counters import mongod_pid
from yardstick.stored.seeding import fill
from yardstick.stored.turn import People, Turn
from yardstick.stored.work import ensure_indexes

MESSAGES_EACH: Final = 2
"""A turn leaves two messages."""

_CACHE: Final = "cache_size=4G"


@dataclass(slots=True)
class Filled:
    """A database with so many messages, and the turns that come next.

    `mongo` is a client as conversation has it, `sender` one as the sender has it.
    """

    mongo: Mongo
    sender: Mongo
    pid: int
    messages: int
    people: People
    next: int = field(default=0)

    def turns(self, count: int) -> list[Turn]:
        """The next turns, each of which is given once."""
        first, self.next = self.next, self.next + count
        return [self.people.turn(number) for number in range(first, self.next)]


@asynccontextmanager
async def filled(uri: str, messages: int, say: Say) -> AsyncIterator[Filled]:
    """A database that is filled first, and dropped at the end."""
    name = f"stored_{messages}"
    settings = MongoSettings(mongodb_uri=SecretStr(uri), mongodb_database=name)
    mongo, sender = Mongo(settings), Mongo(settings, retry_writes=False)
    try:
        pid = await mongod_pid(mongo.client)
        await mongo.client.admin.command("setParameter", 1, wiredTigerEngineRuntimeConfig=_CACHE)
        await mongo.client.drop_database(name)
        turns = messages // MESSAGES_EACH
        people = People.of(turns, datetime.now(UTC))
        await asyncio.to_thread(fill, uri, name, people, turns)
        await ensure_indexes(mongo)
        await mongo.client.admin.command("fsync")
        say(f"filled with {messages:,} messages")
        yield Filled(mongo, sender, pid, messages, people, turns)
    finally:
        await mongo.client.drop_database(name)
        await mongo.close()
        await sender.close()
