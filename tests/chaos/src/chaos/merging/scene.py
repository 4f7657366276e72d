"""The merge of a run: two large conversations of one customer, who writes all the time, become one.

The customer's phone number is withheld at first, so the services know the BSUID alone. A second conversation knows the
phone number. Most of their messages are written into MongoDB, in the form in which the services have stored one. Then
Meta names both, and while the messages move, every process that could move them is killed, several times.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from chaos.injector import FaultInjector
from chaos.merging.reader import Reader
from chaos.merging.seeds import BY_PHONE, BY_USER, Json, conversation_by_phone, parts, seeds_of
from chaos.merging.walk import Merged
from chaos.plan import Fault
from chaos.traffic import Bot, until_done
from testbed.client import Client, eventually

log = logging.getLogger(__name__)

PHONE: Final = "491700000001"
_NAME: Final = "Merging"
_AT_ONCE: Final = 2_000
_AGO: Final = timedelta(days=30)
_SAYS_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.02
_AGAIN_SECONDS: Final = 0.5
_DOWN_SECONDS: Final = 1.0
_FIRST_SECONDS: Final = 60.0


class Merge:
    """`prepare`, then `run` beside the traffic, then `finish` when all work is done."""

    def __init__(
        self, client: Client, mongodb: str, database: str, bot: Bot, marker: str, messages: int, kills: int
    ) -> None:
        self._client = client
        self._mongo: AsyncMongoClient[Json] = AsyncMongoClient(mongodb, tz_aware=True)
        self._database = self._mongo[database]
        self._bot = bot
        self._marker = marker
        self._seeds = seeds_of(messages)
        self._kills = kills
        self.result = Merged(messages)
        self._reader = Reader(client, self._seeds, marker, self.result)
        self._ids: dict[str, str] = {}
        self._stopped = asyncio.Event()
        self._have_moved = asyncio.Event()
        self._given_up = False
        self.said = 0

    async def prepare(self, say: Callable[[str], None]) -> None:
        """Create both conversations with all of their messages."""
        began = time.monotonic()
        await self._client.control("POST", "customers", {"phone": PHONE, "withholdPhone": True})
        await self._says()
        by_user = await eventually("the first conversation", self._first, seconds=_FIRST_SECONDS)
        like = await self._database["messages"].find_one({"conversationId": by_user["_id"], "direction": "inbound"})
        assert like is not None  # the conversation has a message, or it would not be there
        begun = datetime.now(UTC).replace(microsecond=0) - _AGO
        user, phone = self._seeds
        other = conversation_by_phone(by_user, PHONE, phone.count, begun)
        self._ids = {BY_USER: by_user["_id"], BY_PHONE: other["_id"]}
        for seed in self._seeds:
            for numbers in parts(seed.count, _AT_ONCE):
                made = [seed.document(like, self._ids[seed.side], self._marker, begun, n) for n in numbers]
                await self._database["messages"].insert_many(made, ordered=False)
        counted = {"$inc": {"inboundCount": user.count}, "$max": {"lastPlace": user.count + by_user["inboundCount"]}}
        await self._database["conversations"].update_one({"_id": by_user["_id"]}, counted)
        await self._database["conversations"].insert_one(other)
        say(f"two conversations with {user.count + phone.count} messages made in {time.monotonic() - began:.0f} s")

    async def run(self, injector: FaultInjector) -> None:
        """Write, read, merge and kill, until `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write())
            for seed in self._seeds:
                group.create_task(self._reader.read(seed.side, self._ids))
            await self._reader.begun()
            await self._name_both()
            began = time.monotonic()
            await self._move(injector)
            self.result.seconds = time.monotonic() - began
            self._reader.stop()
            self._have_moved.set()

    async def have_moved(self, seconds: float) -> None:
        """Wait until all messages have moved, but no longer than this."""
        try:
            async with asyncio.timeout(seconds):
                await self._have_moved.wait()
        except TimeoutError:
            self._given_up = True

    def stop(self) -> None:
        """Write no more."""
        self._stopped.set()

    async def finish(self) -> None:
        """The last walk, which has to have everything."""
        result = self.result
        walk = await self._reader.last_walk(self._ids)
        received = await self._client.received(phoneNumberId=self._bot.phone_number_id)
        sent = await self._client.sent()
        wanted = {entry["wamid"] for entry in (*received, *sent) if entry["phone"] == PHONE and _is_taken(entry)}
        if missing := wanted - walk.wamids:
            result.lost.append(f"the last walk: {len(missing)} of the traffic missing, like {min(missing)}")
        left = await self._database["messages"].count_documents({"conversationId": self._ids[BY_PHONE]})
        marked = await self._database["conversations"].count_documents({"absorbs": {"$exists": True}})
        result.unfinished += [f"{left} messages have not moved"] * (left > 0) + ["a mark is left"] * marked
        await self._mongo.close()

    async def _first(self) -> Json | None:
        found = self._database["conversations"]
        return await found.find_one({"phoneNumberId": self._bot.phone_number_id, "contact.name": _NAME})

    async def _says(self) -> None:
        self.said += 1
        text = f"{self._marker} merging {self.said}"
        await until_done(partial(self._client.says, PHONE, self._bot.phone_number_id, text, _NAME))

    async def _write(self) -> None:
        while not self._stopped.is_set():
            await self._says()
            await asyncio.sleep(_SAYS_SECONDS)

    async def _name_both(self) -> None:
        """From now on Meta names the phone number, too: with the customer's next message the two are one."""
        shown = {"phone": PHONE, "withholdPhone": False}
        await until_done(partial(self._client.control, "POST", "customers", shown))

    async def _move(self, injector: FaultInjector) -> None:
        """Wait until all have moved. Kill conversation each time when another part of them has."""
        count = self._seeds[1].count
        marks = [count * nth // (self._kills + 1) for nth in range(1, self._kills + 1)]
        while not self._given_up and (moved := await self._moved()) < count:
            if marks and moved >= marks[0]:
                marks = [mark for mark in marks if mark > moved]
                self.result.kills += 1
                log.info("%d of %d messages have moved: kill -9 of every conversation process", moved, count)
                await injector.do(Fault(0, 0.0, "kill-all", "conversation", _DOWN_SECONDS))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _moved(self) -> int:
        """How many have moved: the newest go first, so it is told by the newest that is left."""
        query: dict[str, Any] = {"conversationId": self._ids[BY_PHONE]}
        while True:
            try:
                left = await self._database["messages"].find_one(query, {"place": 1}, sort=[("timestamp", -1)])
            except PyMongoError:
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return self._seeds[1].count - (left["place"] if left else 0)


def _is_taken(entry: Json) -> bool:
    """Whether the services have taken a customer's message, or have sent this one."""
    return "webhook" not in entry or entry["webhook"]["outcome"] == "delivered"
