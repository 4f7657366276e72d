"""Changes of stored data beside processes of two releases: a migration and a changed index, under traffic.

Documents of an early form are there before, and more of them are written until the last old process has ended, because
processes of an old release do that. In the middle of the update an index gets the definition of an earlier release, and
`wa` of this tree changes both. In the end it runs once more, as an operator does after an update.
"""

import asyncio
import contextlib
import os
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pymongo import AsyncMongoClient, IndexModel
from pymongo.errors import PyMongoError

from common.mongo import schema
from common.tasks import cancel

_COUNT: Final = 5_000
_EVERY_SECONDS: Final = 0.05
_ABOUT: Final = "earlier"
_OLD_FORM: Final = {"timestamp": {"$exists": False}}
_INDEX: Final = "inbox"
_EARLIER_KEYS: Final = [("chatbotId", 1), ("lastMessageAt", -1)]

Json = dict[str, Any]


@dataclass(slots=True)
class Evolved:
    """What `wa` did. `failures` says what is not as it should be."""

    written: int = 0
    left: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Evolution:
    """`begin`, then `midway` while old and new processes run, then `finish` when the last old one has ended."""

    def __init__(self, mongodb: str, database: str, say: Callable[[str], None]) -> None:
        self._environment = {"MONGODB_URI": mongodb, "MONGODB_DATABASE": database, "ENV_FILE": ""}
        self._mongo: AsyncMongoClient[Json] = AsyncMongoClient(mongodb, tz_aware=True)
        self._messages = self._mongo[database][schema.MESSAGES.name]
        self._conversations = self._mongo[database][schema.CONVERSATIONS.name]
        self._say = say
        self._writing: asyncio.Task[None] | None = None
        self.result = Evolved()

    async def begin(self) -> None:
        """Write documents of the early form, and go on with it."""
        like = await self._messages.find_one({"direction": "inbound", "conversationId": {"$exists": True}})
        if like is None:
            raise RuntimeError("no customer has written yet")
        made = [self._early(like) for _ in range(_COUNT)]
        await self._messages.insert_many(made, ordered=False)
        self._writing = asyncio.create_task(self._write(like), name="documents of an early form")

    async def midway(self) -> None:
        """Change the data while processes of both releases run."""
        await self._conversations.drop_index(_INDEX)
        await self._conversations.create_indexes([IndexModel(_EARLIER_KEYS, name=_INDEX)])
        await self._wa("indexes", "apply")
        await self._wa("migrate", "apply")
        if (
            changed := await self._messages.count_documents({"about": _ABOUT, "timestamp": {"$exists": True}})
        ) < _COUNT:
            self.result.failures.append(f"only {changed} messages have a time beside old processes")

    async def finish(self) -> None:
        """Change what old processes have written since, and look."""
        await cancel([self._writing])
        result = self.result
        result.left = await self._messages.count_documents(_OLD_FORM)
        await self._wa("migrate", "apply")
        planned = await self._wa("indexes", "plan")
        if (left := await self._messages.count_documents(_OLD_FORM)) > 0:
            result.failures.append(f"{left} messages have no time")
        if (there := await self._messages.count_documents({"about": _ABOUT})) != result.written:
            result.failures.append(f"{there} messages of the early form are there, and {result.written} were written")
        keys = [list(index["key"]) for index in (await self._conversations.index_information()).values()]
        if _EARLIER_KEYS in keys or "every index is as declared" not in planned:
            result.failures.append(f"indexes are not as declared: {planned}")
        await self._mongo.close()

    def _early(self, like: Json) -> Json:
        self.result.written += 1
        name = str(uuid.uuid4())
        early = {**like, "_id": name, "wamid": f"wamid.{name}", "origin": name, "about": _ABOUT}
        return {key: value for key, value in early.items() if key not in ("timestamp", "v")}

    async def _write(self, like: Json) -> None:
        while True:
            early = self._early(like)
            await asyncio.shield(self._insert(early))
            await asyncio.sleep(_EVERY_SECONDS)

    async def _insert(self, early: Json) -> None:
        """The id stays the same, so it may be tried again."""
        while True:
            with contextlib.suppress(PyMongoError):
                await self._messages.replace_one({"_id": early["_id"]}, early, upsert=True)
                return
            await asyncio.sleep(_EVERY_SECONDS)

    async def _wa(self, *arguments: str) -> str:
        """Run `wa` of this tree; what it printed."""
        began = time.monotonic()
        command: Sequence[str] = [sys.executable, "-m", "wa", *arguments]
        pipe = asyncio.subprocess.PIPE
        environment = {**os.environ, **self._environment}
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, stderr=pipe)
        out, complaints = await process.communicate()
        name = f"wa {' '.join(arguments)}"
        self.result.seconds[name] = self.result.seconds.get(name, 0.0) + time.monotonic() - began
        told = out.decode().strip()
        self.result.told += [f"{name}: {line}" for line in told.splitlines()]
        self._say(f"{name}: {told}")
        if process.returncode:
            self.result.failures.append(f"{name} ended with {process.returncode}: {complaints.decode()[-300:]}")
        return told
