"""Conversation's documents in MongoDB: one transaction per batch."""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from common.contracts.stored.usage import COUNT, COUNTED, counters_of
from common.mongo import (
    DeleteOne,
    Document,
    DuplicateKeyError,
    InsertOne,
    Mongo,
    OwnedSession,
    UpdateMany,
    UpdateOne,
    or_duplicate_key,
    schema,
    transaction,
)
from common.mongo.indexes import ensure_each, ensure_indexes
from common.mongo.stored_forms import UPDATE, written_since
from conversation.batch.core import Keys
from conversation.batch.plan import Plan
from conversation.batch.working_set import ABSORBS, Conversation, Known, Message, WorkingSet

log = logging.getLogger(__name__)

_TRIES: Final = 10
_TRANSACTION_SECONDS: Final = 10.0
_GRACE: Final = timedelta(days=30)
"""An operator has so long to say that documents are to be kept for longer."""

ORDERED_USAGE: Final = "usage_logs-ordered-ids"
"""In `stored_forms`: since when entries of the usage log have ordered ids."""

DATED_LOG: Final = "webhook_events-dated-ids"
"""In `stored_forms`: since when entries of the webhook log have a time in their ids."""

RETENTION: Final = "retention"
"""In `stored_forms`: since when old documents are removed."""

_WORKING_FIELDS: Final = {"raw": 0, "request": 0, "text": 0}


class ConversationStore:
    """The collections that conversation owns."""

    def __init__(self, mongo: Mongo, *, webhook_log_days: int = 30) -> None:
        database = mongo.database
        self._mongo = mongo
        self._log = timedelta(days=webhook_log_days)
        self._ordered_since: datetime | None = None
        self._dated_since: datetime | None = None
        self.conversations = database[schema.CONVERSATIONS.name]
        self.messages = database[schema.MESSAGES.name]
        self.webhook_events = database[schema.WEBHOOK_EVENTS.name]
        self.usage_logs = database[schema.USAGE_LOGS.name]
        self.usage_days = database[schema.USAGE_DAYS.name]
        self.jobs = database[schema.JOBS.name]

    async def ensure_indexes(self) -> None:
        """Create the missing indexes, and learn in which form to write; harmless to repeat. Raises `Unavailable`."""
        database = self._mongo.database
        self._ordered_since = await self._since(ORDERED_USAGE)
        self._dated_since = await self._since(DATED_LOG)
        await self._since(COUNTED)
        await self.removes_since()
        kept = (schema.CONVERSATIONS, schema.MESSAGES, schema.USAGE_LOGS, schema.USAGE_DAYS)
        await ensure_each(
            *(partial(ensure_indexes, database, collection) for collection in kept),
            partial(ensure_indexes, database, schema.WEBHOOK_EVENTS, keep=self._log),
        )

    async def removes_since(self) -> datetime:
        """From when on old documents are removed: a month later where an earlier version has kept them for good."""
        return await self._since(RETENTION, _GRACE)

    async def _since(self, form: str, wait: timedelta = UPDATE) -> datetime:
        """From when on something is done in a newer form: some time from now where messages are there."""
        return await written_since(self._mongo.database, form, self._is_used, wait)

    async def _is_used(self) -> bool:
        return await self.messages.find_one({}, {"_id": 1}) is not None

    def owned_by(self, *partitions: str, sessions: int = 1) -> OwnedSession:
        """The sessions under which their batches are written; entering it ends the transactions of predecessors."""
        return OwnedSession(self._mongo, *partitions, sessions=sessions)

    async def apply(
        self, owned: OwnedSession, keys: Keys, decide: Callable[[Known], Plan], *, seconds: float = _TRANSACTION_SECONDS
    ) -> Plan:
        """Read what is known, let `decide` plan, and write the plan, in one transaction. Returns the plan.

        `decide` is called again when another process has written the same documents meanwhile. Raises the driver's
        errors: then all or nothing is written, and applying the batch again is harmless.
        """
        for attempt in range(_TRIES):
            again = attempt > 0

            async def work(session: Any, again: bool = again) -> Plan:
                plan = decide(await self._known(keys, session))
                await self._write(plan, session, owned.name_of(session), again=again)
                return plan

            try:
                return await transaction(owned, work, seconds=seconds)
            except DuplicateKeyError:
                # Another process has just created the same conversation or message; or this is the replay of a batch,
                # whose entries of the webhook log exist already.
                log.info("planning a batch again", extra={"attempt": attempt + 1})
        raise RuntimeError(f"a batch met duplicate keys {_TRIES} times")

    async def _known(self, keys: Keys, session: Any) -> Known:
        known = Known(ordered_since=self._ordered_since, dated_since=self._dated_since)
        wanted = {"_id": keys.message_ids, "wamid": keys.wamids, "otherWamids": keys.wamids}
        ways: list[Document] = [{name: {"$in": list(values)}} for name, values in wanted.items() if values]
        if ways:
            query: Document = {"$or": ways} if len(ways) > 1 else ways[0]
            found = await self.messages.find(query, _WORKING_FIELDS, session=session).to_list()
            known.messages = {document["_id"]: document for document in found}
        if keys.aliases:
            query = {"aliases": {"$in": list(keys.aliases)}}
            known.conversations = await self.conversations.find(query, session=session).to_list()
        return known

    async def _write(self, plan: Plan, session: Any, writer: str, *, again: bool) -> None:
        working, usage = plan.working, await self._unlogged(plan, session, again=again)
        writes = [
            # Aliases are given up before another conversation takes them, so these are in order.
            (self.conversations, _of_conversations(working), True),
            (
                self.messages,
                [*_moved(working.merges), *_gone(working.absorbed), *map(_message, working.messages.values())],
                True,
            ),
            (self.webhook_events, [_once(document, again=again) for document in plan.webhook_events], False),
            (self.usage_logs, list(map(InsertOne, usage)), False),
            (self.usage_days, _counted(usage, writer), False),
        ]
        for collection, operations, ordered in writes:
            wanted = [operation for operation in operations if operation is not None]
            if wanted:
                with or_duplicate_key():
                    await collection.bulk_write(wanted, ordered=ordered, session=session)

    async def _unlogged(self, plan: Plan, session: Any, *, again: bool) -> list[Document]:
        """The usage of a plan that is not in the log yet: each entry once, because each is counted."""
        doubtful = [*plan.usage, *plan.usage_again] if again else plan.usage_again
        logged: set[str] = set()
        if doubtful:
            query = {"_id": {"$in": [entry["_id"] for entry in doubtful]}}
            logged = {entry["_id"] async for entry in self.usage_logs.find(query, {"_id": 1}, session=session)}
        entries = {entry["_id"]: entry for entry in (*plan.usage, *plan.usage_again)}
        return [entry for key, entry in entries.items() if key not in logged]


def _counted(usage: Sequence[Document], writer: str) -> list[Any]:
    return [
        UpdateOne({"_id": key}, {"$inc": {COUNT: count}, "$setOnInsert": fields}, upsert=True)
        for key, (fields, count) in counters_of(usage, writer).items()
    ]


def _of_conversations(working: WorkingSet) -> list[Any]:
    conversations = working.conversations.values()
    return [*_merges(working.merges), *map(_released, conversations), *map(_conversation, conversations)]


def _released(conversation: Conversation) -> Any:
    if conversation.new or conversation.merged_into is not None or not conversation.lost:
        return None
    return UpdateOne({"_id": conversation.document["_id"]}, {"$pull": {"aliases": {"$in": conversation.lost}}})


def _conversation(conversation: Conversation) -> Any:
    if conversation.merged_into is not None:
        return None
    if conversation.new:
        return InsertOne(conversation.document)
    update: Document = {}
    fields = {name: value for name, value in conversation.changed.items() if name not in conversation.added}
    if fields:
        update["$set"] = fields
    if conversation.added:
        update["$inc"] = conversation.added
    return UpdateOne({"_id": conversation.document["_id"]}, update) if update else None


def _message(message: Message) -> Any:
    conversation_id = message.conversation_id
    if message.new:
        return InsertOne({**message.document, **({"conversationId": conversation_id} if conversation_id else {})})
    update: Document = {}
    fields = dict(message.changed)
    if conversation_id is not None and conversation_id != message.document.get("conversationId"):
        fields["conversationId"] = conversation_id
    if fields:
        update["$set"] = fields
    if message.pushed:
        update["$push"] = {"statuses": {"$each": message.pushed}}
    return UpdateOne({"_id": message.document["_id"]}, update) if update else None


def _merges(merges: Iterable[tuple[Conversation, Conversation]]) -> list[Any]:
    return [
        UpdateOne(
            {"_id": loser.document["_id"]}, {"$set": {"mergedInto": winner.id}, "$unset": {"aliases": "", ABSORBS: ""}}
        )
        for winner, loser in merges
        if not loser.new
    ]


def _moved(merges: Iterable[tuple[Conversation, Conversation]]) -> list[Any]:
    return [
        UpdateMany({"conversationId": loser.document["_id"]}, {"$set": {"conversationId": winner.id}})
        for winner, loser in merges
        if not loser.new and not loser.absorbed
    ]


def _gone(absorbed: Iterable[Message]) -> list[Any]:
    return [DeleteOne({"_id": message.document["_id"]}) for message in absorbed if not message.new]


def _once(document: Document, *, again: bool) -> Any:
    """Insert the document. If it may exist already (`again`), keep the existing one."""
    if not again:
        return InsertOne(document)
    fields = {name: value for name, value in document.items() if name != "_id"}
    return UpdateOne({"_id": document["_id"]}, {"$setOnInsert": fields}, upsert=True)
