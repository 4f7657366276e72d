"""What mongod counts of itself: documents, bytes and index entries, before and after some work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psutil

from yardstick.rig.machine import used

_CALLS: Final = {"inserted": "insert calls", "removed": "remove calls"}


@dataclass(frozen=True, slots=True)
class Counts:
    """Counters that only go up; `indexes` are the entries inserted and removed, by collection and index."""

    cpu_seconds: float
    documents: Mapping[str, int]
    journal_bytes: int
    oplog_bytes: int
    page_bytes: int
    indexes: Mapping[str, Mapping[str, int]]


async def counts(database: Any, pid: int, collections: Sequence[str]) -> Counts:
    """The counters now; those of mongod as a whole are right only while it has no other work."""
    status = await database.client.admin.command("serverStatus")
    tiger = status["wiredTiger"]
    oplog = await _stats(database.client["local"], "oplog.rs")
    stats = {name: await _stats(database, name) for name in collections}
    return Counts(
        cpu_seconds=used(pid).cpu_seconds,
        documents={word: int(status["metrics"]["document"][word]) for word in ("inserted", "updated", "deleted")},
        journal_bytes=int(tiger["log"]["log bytes written"]),
        oplog_bytes=int(oplog["wiredTiger"]["cursor"]["insert key and value bytes"]),
        page_bytes=int(tiger["cache"]["bytes written from cache"]),
        indexes={
            f"{name}.{index}": {word: int(details["cursor"][key]) for word, key in _CALLS.items()}
            for name, found in stats.items()
            for index, details in found["indexDetails"].items()
        },
    )


async def _stats(database: Any, name: str) -> dict[str, Any]:
    (found,) = await (await database[name].aggregate([{"$collStats": {"storageStats": {}}}])).to_list()
    stats: dict[str, Any] = found["storageStats"]
    return stats


async def mongod_pid(client: Any) -> int:
    """The pid of mongod, which has to be on this machine."""
    pid = int((await client.admin.command("serverStatus"))["pid"])
    if not psutil.pid_exists(pid) or psutil.Process(pid).name() != "mongod":
        raise RuntimeError("mongod is on another machine: its CPU time cannot be read")
    return pid
