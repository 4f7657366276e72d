"""`wa usage rebuild`: counts the usage log again, day by day, while conversation writes.

A day of a chatbot is one transaction: it reads the log as it stands, removes the counters and writes new ones. What is
logged after that reading has counters that it does not see, and so does not remove. Where both want the same counter,
one of them is repeated by MongoDB's rules.
"""

import argparse
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from common.contracts.stored.usage import ALWAYS, COUNT, COUNTED, KEYS, REBUILT, counter, whole_from
from common.kafka.settings import KafkaSettings
from common.mongo import DESCENDING, Database, Document, Mongo, OwnedSession, schema
from common.mongo import transaction as in_transaction
from wa import options
from wa.connection import Progress, Say, connected, say
from wa.errors import Usage

_OWNER: Final = "wa usage rebuild"
_SECONDS: Final = 50.0  # MongoDB ends a transaction after a minute


@dataclass(slots=True)
class Done:
    """What a run has done. `kept` are days whose log has fewer entries than had been counted."""

    days: int = 0
    entries: int = 0
    kept: int = 0


def register(groups: Any) -> None:
    """Add the group to the command line."""
    verbs = options.add_group(groups, "usage", "the counters of usage: rebuild", "wa usage rebuild")
    rebuild = options.add_command(
        verbs,
        "rebuild",
        "count the usage log again; it may run while the services run, and may be run again",
        "wa usage rebuild --chatbot support --from 2026-11-01 --to 2026-11-07",
        settings="MONGODB_URI, MONGODB_DATABASE",
    )
    rebuild.add_argument("--chatbot", metavar="ID", help="only this chatbot's (default: all)")
    rebuild.add_argument("--from", dest="first", type=options.day, metavar="DAY", help="first day in UTC, YYYY-MM-DD")
    rebuild.add_argument("--to", dest="last", type=options.day, metavar="DAY", help="last day in UTC, YYYY-MM-DD")
    rebuild.add_argument(
        "--lower",
        action="store_true",
        help="also where the log has fewer entries than were counted (it is kept for a limited time)",
    )
    rebuild.set_defaults(run=run_rebuild)


async def run_rebuild(arguments: argparse.Namespace, _: KafkaSettings) -> int:
    """`wa usage rebuild`; the exit code."""
    if arguments.first and arguments.last and arguments.last < arguments.first:
        raise Usage(f"--from {arguments.first} is after --to {arguments.last}: no day is in between")
    async with connected() as mongo:
        rebuilding = Rebuilding(mongo, arguments.first, arguments.last, lower=arguments.lower, say=say)
        done = await rebuilding.run(arguments.chatbot)
        whole = arguments.chatbot is None and arguments.first is None and arguments.last is None
        told = await trust_counters(mongo.database, datetime.now(UTC)) if whole else ""
    kept = f"; {done.kept:,} days kept as they were, because their log has fewer entries (--lower)" if done.kept else ""
    print(f"{done.days:,} days of chatbots counted, {done.entries:,} entries{kept}{told}")
    return 0


class Rebuilding:
    """One run over some days (None: all)."""

    def __init__(self, mongo: Mongo, first: date | None, last: date | None, *, lower: bool, say: Say) -> None:
        self._mongo = mongo
        self._logs = mongo.database[schema.USAGE_LOGS.name]
        self._counters = mongo.database[schema.USAGE_DAYS.name]
        self._first = first or date.min
        self._last = last or date.max
        self._lower = lower
        self._progress = Progress(say)
        self._done = Done()

    async def run(self, chatbot: str | None) -> Done:
        """Count the days of one chatbot, or of all of them. Raises the driver's errors; it may be run again."""
        chatbots = [chatbot] if chatbot is not None else await self._chatbots()
        async with OwnedSession(self._mongo, _OWNER) as owned:
            for number, name in enumerate(chatbots, 1):
                async for day in self._days(name):
                    await self._count(owned, name, day)
                    line = f"chatbot {number:,} of {len(chatbots):,}, {day}: {self._done.entries:,} entries"
                    self._progress.tell(line)
        return self._done

    async def _chatbots(self) -> list[str | None]:
        """Of every entry and counter; an entry may belong to no chatbot."""
        found: set[str | None] = {None}
        for collection in (self._logs, self._counters):
            found.update(await collection.distinct("chatbotId"))
        return sorted(found, key=lambda name: name or "")

    async def _days(self, chatbot: str | None) -> AsyncIterator[date]:
        """The days that have entries or counters, latest first: each is found from the one before."""
        order = [("at", DESCENDING), ("_id", DESCENDING)]
        counted = {date.fromisoformat(day) for day in await self._counters.distinct("day", {"chatbotId": chatbot})}
        before: Document = {} if self._last == date.max else {"at": {"$lt": _begin(self._last + timedelta(days=1))}}
        logged: date | None = None
        while True:
            entry = await self._logs.find_one({"chatbotId": chatbot, **before}, {"at": 1}, sort=order)
            logged = entry["at"].date() if entry and entry.get("at") else None
            later = sorted((day for day in counted if logged is None or day >= logged), reverse=True)
            for day in [*later, *([logged] if logged and logged not in counted else [])]:
                counted.discard(day)
                if self._first <= day <= self._last:
                    yield day
            if logged is None or logged < self._first:
                return
            before = {"at": {"$lt": _begin(logged)}}

    async def _count(self, owned: OwnedSession, chatbot: str | None, day: date) -> None:
        async def work(session: Any) -> int | None:
            counts = await self._of_log(chatbot, day, session)
            entries, known = sum(count for _, count in counts), {"chatbotId": chatbot, "day": str(day)}
            if not self._lower and entries < await self._counted(known, session):
                return None
            await self._counters.delete_many(known, session=session)
            written = [
                {"_id": id_, **fields, COUNT: count}
                for id_, (fields, count) in (counter(key, REBUILT, count) for key, count in counts)
            ]
            if written:
                await self._counters.insert_many(written, session=session)
            return entries

        entries = await in_transaction(owned, work, seconds=_SECONDS)
        if entries is None:
            self._done.kept += 1
        else:
            self._done.days += 1
            self._done.entries += entries

    async def _of_log(self, chatbot: str | None, day: date, session: Any) -> list[tuple[Document, int]]:
        at = {"$gte": _begin(day), "$lt": _begin(day + timedelta(days=1))}
        stages: list[Document] = [
            {"$match": {"chatbotId": chatbot, "at": at}},
            {"$group": {"_id": {name: f"${name}" for name in KEYS}, "count": {"$sum": 1}}},
        ]
        found = await self._logs.aggregate(stages, session=session)
        return [(group["_id"], group["count"]) async for group in found]

    async def _counted(self, known: Document, session: Any) -> int:
        return sum([document[COUNT] async for document in self._counters.find(known, {COUNT: 1}, session=session)])


async def trust_counters(database: Database, now: datetime) -> str:
    """After a run over everything: from now on the summary reads counters only. What to tell of it.

    Not before every process counts: then the log of the days in between has to be counted once more.
    """
    forms = database[schema.STORED_FORMS.name]
    form = await forms.find_one({"_id": COUNTED})
    if form is None:
        return "; no conversation of this version has run yet, so run this again after the update"
    if form["since"] == ALWAYS:
        return ""
    if now.date() < whole_from(form["since"]):
        return (
            f"; run this again on {whole_from(form['since'])} or later, because an older version may still be running"
        )
    await forms.update_one({"_id": COUNTED}, {"$set": {"since": ALWAYS}})
    return "; from now on the summary does not read the log"


def _begin(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
