"""A database of one test with conversation's documents in it."""

import uuid
from datetime import UTC, datetime

from conversation_builders import BOT, read

from common.mongo import Mongo, MongoSettings, OwnedSession
from conversation.batch.core import keys_of, plan
from conversation.store import ConversationStore

NOW = datetime.now(UTC).replace(microsecond=0)


class Room:
    """`async with`: it has its indexes then, and is dropped at the end."""

    def __init__(self, mongodb_uri):
        self.settings = MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"upkeep_{uuid.uuid4().hex[:10]}")
        self.mongo = Mongo(self.settings)
        self.store = ConversationStore(self.mongo)

    async def __aenter__(self):
        await self.store.ensure_indexes()
        return self

    async def __aexit__(self, *_):
        await self.mongo.client.drop_database(self.settings.mongodb_database)
        await self.mongo.close()

    async def apply(self, *records, now=NOW):
        """A batch of these records; its events."""
        facts = [read(record) for record in records]
        async with OwnedSession(self.mongo, "test") as owned:
            done = await self.store.apply(owned, keys_of(facts, BOT), lambda known: plan(facts, known, BOT, now))
        return [pending.record(now) for pending in done.events]
