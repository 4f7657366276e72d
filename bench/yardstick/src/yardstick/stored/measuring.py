"""One measurement: what mongod does for some writes, its next checkpoint included."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from common.mongo import Mongo
from common.mongo.schema import Collection
from yardstick.stored.counters import Counts, counts


@dataclass(frozen=True, slots=True)
class Cost:
    """What one record, or one send, costs. `indexes` are the entries inserted and removed, by collection.index."""

    per_second: float
    cpu_us: float
    documents: float
    journal_bytes: float
    oplog_bytes: float
    page_bytes: float
    indexes: Mapping[str, float]


async def cost_of(
    mongo: Mongo, pid: int, collections: Sequence[Collection], work: Callable[[], Awaitable[int]]
) -> Cost:
    """The cost of `work`, which tells how many records it has written. Afterwards all of it is on the disk.

    mongod must have no other work.
    """
    names = [collection.name for collection in collections]
    await mongo.client.admin.command("fsync")
    before = await counts(mongo.database, pid, names)
    began = time.monotonic()
    records = await work()
    seconds = time.monotonic() - began
    await mongo.client.admin.command("fsync")
    return per_record(before, await counts(mongo.database, pid, names), records, seconds)


def per_record(before: Counts, after: Counts, records: int, seconds: float) -> Cost:
    """The difference, for each record."""

    def each(name: str) -> float:
        return float(getattr(after, name) - getattr(before, name)) / records

    indexes = {
        index: (_written(entries) - _written(before.indexes.get(index, {}))) / records
        for index, entries in after.indexes.items()
    }
    documents = sum(after.documents.values()) - sum(before.documents.values())
    return Cost(
        per_second=records / seconds,
        cpu_us=each("cpu_seconds") * 1e6,
        documents=documents / records,
        journal_bytes=each("journal_bytes"),
        oplog_bytes=each("oplog_bytes"),
        page_bytes=each("page_bytes"),
        indexes=indexes,
    )


def _written(entries: Mapping[str, int]) -> int:
    return entries.get("inserted", 0) + entries.get("removed", 0)


def told(name: str, stored: int, cost: Cost) -> str:
    """A cost as a line."""
    return (
        f"{name:<13} beside {stored:>10,} messages: {cost.cpu_us:7.1f} µs  {cost.documents:4.2f} documents  "
        f"{sum(cost.indexes.values()):5.2f} index entries  {cost.journal_bytes:6,.0f} B of journal  "
        f"{cost.oplog_bytes:6,.0f} B of oplog  {cost.page_bytes:8,.0f} B of pages"
    )
