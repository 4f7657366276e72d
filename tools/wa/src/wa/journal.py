"""`wa journal restore`: after a restore of MongoDB from a backup, enters newer sends into the journal, from Kafka.

A restored journal does not know the sends since the backup, so a repeated request would be sent a second time. Kafka
keeps the results of those sends on `whatsapp-cloud-send-results` for seven days.
"""

import argparse
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import Field

from common.contracts import sends, topics
from common.contracts.envelope import decode, decoder
from common.contracts.journal import ENDED, OPERATORS, Entry, State, to_document
from common.contracts.sends import SendResult
from common.errors import InvalidInput
from common.kafka.settings import KafkaSettings
from common.mongo import Database, MongoSettings, UpdateOne, schema
from wa import options
from wa.connection import connected, say, settings_of
from wa.dlq.reading import read_records

_STATES: Final[Mapping[str, State]] = MappingProxyType(
    {
        sends.ACCEPTED: State.ACCEPTED,
        sends.FAILED: State.FAILED,
        sends.EXPIRED: State.EXPIRED,
        sends.CANCELLED: State.CANCELLED,
        sends.IN_DOUBT: State.IN_DOUBT,
        sends.QUEUED: State.DEFERRED,
    }
)
_AT_ONCE: Final = 500
_result: Final = decoder(SendResult)


class JournalSettings(MongoSettings):
    """Where the journal is, and how many days it keeps entries."""

    sender_journal_days: Annotated[int, Field(ge=8, description="as sender has it")] = 30


def register(groups: Any) -> None:
    """Add the group to the command line."""
    verbs = options.add_group(groups, "journal", "the sender's journal: restore", "wa journal restore --since 26h")
    restore = options.add_command(
        verbs,
        "restore",
        "enter sends since a backup into the journal, from Kafka; run it after a restore of MongoDB and before sender",
        "wa journal restore --since 26h --dry-run",
        settings="KAFKA_*, MONGODB_*, SENDER_JOURNAL_DAYS",
    )
    restore.add_argument(
        "--since",
        required=True,
        type=options.moment,
        metavar="TIME",
        help="one hour before the backup: ISO time (UTC), or 30m, 26h, 2d for so long ago",
    )
    restore.add_argument("--dry-run", action="store_true", help="only print how many results there are")
    restore.set_defaults(run=run_restore)


async def run_restore(arguments: argparse.Namespace, kafka: KafkaSettings) -> int:
    """`wa journal restore`; the exit code."""
    settings = settings_of(JournalSettings)
    keep = timedelta(days=settings.sender_journal_days)
    async with connected(settings) as mongo:
        seen, entered = await restore(mongo.database, kafka, arguments.since, keep=keep, dry=arguments.dry_run)
    print(f"{seen:,} results since {arguments.since:%Y-%m-%d %H:%M} UTC, {entered:,} entered into the journal")
    return 0


async def restore(
    database: Database, kafka: KafkaSettings, since: datetime, *, keep: timedelta, dry: bool
) -> tuple[int, int]:
    """Enter every result since then whose send has no end in the journal; (results, entered). Repeating is harmless."""
    seen = entered = 0
    batch: list[SendResult] = []
    async for record in read_records(kafka, topics.SEND_RESULTS.name, since, say):
        try:
            batch.append(decode(_result, record.value))
        except InvalidInput as error:  # conversation has made a dead letter of it
            say(f"{record.topic}/{record.partition}/{record.offset} cannot be parsed: {error.message}")
            continue
        if batch[-1].type not in _STATES:  # a waiting send is in its own store; a duplicate is not a send
            batch.pop()
            continue
        seen += 1
        if len(batch) == _AT_ONCE:
            entered += 0 if dry else await _enter(database, batch, keep)
            batch = []
    if batch and not dry:
        entered += await _enter(database, batch, keep)
    return seen, entered


async def _enter(database: Database, results: Sequence[SendResult], keep: timedelta) -> int:
    """Write them in order, because the last result of a send counts."""
    writes = [write for result in results for write in _writes(result, keep)]
    done = await database[schema.SEND_JOURNAL.name].bulk_write(writes, ordered=True)
    return done.upserted_count + done.modified_count


def _writes(result: SendResult, keep: timedelta) -> list[UpdateOne]:
    """Update an entry that has not ended; insert a missing one."""
    entry = entry_of(result)
    document = to_document(entry, expireAt=entry.at + keep if entry.ended else None)
    key, created = {"_id": document.pop("_id")}, {"createdAt": document.pop("createdAt")}
    later = {**key, "state": {"$nin": sorted(ENDED)}, "at": {"$lt": entry.at}}
    gone = {name: "" for name in ("due", "error") if name not in document}
    return [
        UpdateOne(later, {"$set": document, **({"$unset": gone} if gone else {})}),
        UpdateOne(key, {"$setOnInsert": document | created}, upsert=True),
    ]


def entry_of(result: SendResult) -> Entry:
    """The journal entry of a send with this result."""
    data, state = result.data, _STATES[result.type]
    return Entry(
        id=data.journal_id,
        state=state,
        attempt=data.attempts,
        token=secrets.token_hex(16),
        owner=OPERATORS,
        at=data.at,
        created_at=data.at,
        chatbot_id=data.chatbot_id,
        message_id=data.message_id,
        to=data.to,
        phone_number_id=data.phone_number_id,
        wamid=data.wamid,
        contact=data.contact,
        error=data.error,
        # The sender that takes the doubt over starts its window for a status anew.
        due=data.at if state is State.IN_DOUBT else data.due,
    )
