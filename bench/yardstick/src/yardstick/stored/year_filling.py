"""MongoDB filled with a year: in parts, each of which is noted, so that a run that was cut off goes on.

Indexes come last, because an index of existing data is built faster than a growing one.
"""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient, WriteConcern
from pymongo.errors import BulkWriteError

from common.mongo import schema
from common.mongo.compare_and_set import only_duplicates
from yardstick.rig.rig import Say
from yardstick.stored.year import Year, YearSeeds

BYTES_EACH: Final = 1_300
"""Of a message and all that comes with it, with indexes, on the disk."""

_PART: Final = 2_000  # turns
_THREADS: Final = 2
_AT_ONCE: Final = 8
"""Parts that are handed on together; then the state is noted."""

_CACHE: Final = "cache_size=4G"
_KEPT_FREE: Final = 5e9
_SECONDS_BETWEEN_LINES: Final = 10.0


class DiskTooSmall(Exception):
    """The disk of mongod cannot take the data."""


class YearFilling:
    """One database with one year. `start` reads how far an earlier run was."""

    def __init__(self, client: MongoClient[Any], database: str, messages: int, say: Say) -> None:
        self._client = client
        self._quick = client.get_database(database, write_concern=WriteConcern(w=1, j=False))
        # In a database of its own, because the product's commands know each collection of theirs.
        self._notes = client[f"{database}_filling"]["state"]
        self._messages = messages
        self._say = say

    def start(self) -> Year:
        """The year: that of an earlier run, or a new one. Raises `DiskTooSmall`."""
        known = self._notes.find_one({"_id": "year"})
        if known is None:
            self._check_disk()
            known = {"_id": "year", "messages": self._messages, "until": datetime.now(UTC), "turns": 0}
            for collection in schema.ALL:
                self._quick.create_collection(collection.name, **collection.storage())
            self._notes.insert_one(known)
        elif known["messages"] != self._messages:
            raise ValueError(f"the database was begun with {known['messages']:,} messages; drop it, or name another")
        return Year.of(self._messages, known["until"].replace(tzinfo=UTC))

    def fill(self, year: Year, seconds: float | None = None) -> bool:
        """Write what is missing, for at most so many seconds; whether all of it is there."""
        ends = time.monotonic() + seconds if seconds is not None else float("inf")
        told, done = time.monotonic(), self._done()
        self._client.admin.command("setParameter", 1, wiredTigerEngineRuntimeConfig=_CACHE)
        seeds = YearSeeds(year)
        with ThreadPoolExecutor(_THREADS) as pool:
            while done < year.turns and time.monotonic() < ends:
                upto = min(done + _AT_ONCE * _PART, year.turns)
                parts = [range(first, min(first + _PART, upto)) for first in range(done, upto, _PART)]
                list(pool.map(lambda part: self._insert(seeds, part), parts))
                done = upto
                self._notes.update_one({"_id": "year"}, {"$set": {"turns": done}})
                if time.monotonic() - told > _SECONDS_BETWEEN_LINES:
                    told = time.monotonic()
                    self._say(f"{2 * done:,} of {self._messages:,} messages")
        if done < year.turns:
            return False
        self._count(year)
        return True

    def _done(self) -> int:
        return int((self._notes.find_one({"_id": "year"}) or {}).get("turns", 0))

    def _insert(self, seeds: YearSeeds, numbers: range) -> None:
        for name, documents in seeds.of(numbers).items():
            try:
                self._quick[name].insert_many(documents, ordered=False)
            except BulkWriteError as error:
                only_duplicates(error)  # of a part that a run before has written, and not noted

    def _count(self, year: Year) -> None:
        counters = self._quick[schema.USAGE_DAYS.name]
        if counters.find_one({}) is None:
            counters.insert_many(list(year.counters()), ordered=False)

    def _check_disk(self) -> None:
        where = Path(self._client.admin.command("getCmdLineOpts")["parsed"]["storage"]["dbPath"])
        if not where.is_dir():  # on another machine
            return
        free, wanted = shutil.disk_usage(where).free, self._messages * BYTES_EACH + _KEPT_FREE
        if free < wanted:
            raise DiskTooSmall(
                f"{self._messages:,} messages need some {wanted / 1e9:.0f} GB, and {where} has {free / 1e9:.0f} GB free"
            )
