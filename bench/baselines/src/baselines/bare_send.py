"""The bare steps of a send, at `RATE` a second: a claim in MongoDB, a raw HTTP call, and its outcome in MongoDB.

Claims and outcomes are bulk writes with majority and journal: what comes while one of them runs goes with the next, so
no send waits for others. A call writes prepared bytes and reads a status and a length. There is no Kafka, no order, no
decision, no retry and no deadline.
"""

import asyncio
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import uvloop
from pymongo import AsyncMongoClient, InsertOne, UpdateOne, WriteConcern

from outbound_http.raw import RawConnection
from outbound_http.wire import request

_TICK_SECONDS: Final = 0.005
"""How often what is due is looked at, as often as the load writes records for the services."""
_PATH: Final = "/v25.0/106540352200000/messages"
_HEADERS: Final = {"authorization": "Bearer EAAfake-token-of-the-benchmark", "content-type": "application/json"}
_BODY: Final = (
    b'{"messaging_product":"whatsapp","recipient_type":"individual","to":"+491510000001","type":"text",'
    b'"text":{"preview_url":false,"body":"Hello, your order is on its way."},"biz_opaque_callback_data":"s1:4f1c2a9e"}'
)


class Calls:
    """Raw calls over kept connections: one for each call under way. `ended` has the numbers of those with an answer."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self._host, self._port = at.hostname or "", at.port or 80
        self._ready = request(at.netloc, _PATH, _HEADERS, _BODY)
        self._free: list[RawConnection] = []
        self.ended: list[int] = []

    async def begin(self, number: int) -> None:
        """Start a call. The first calls also open their connections."""
        if self._free:
            connection = self._free.pop()
        else:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(RawConnection, self._host, self._port)
        connection.ask(self._ready).add_done_callback(self._end_of(number, connection))

    def close(self) -> None:
        """Close the connections that are free."""
        for connection in self._free:
            connection.close()

    def _end_of(self, number: int, connection: RawConnection) -> Callable[[Any], None]:
        def end(answered: asyncio.Future[tuple[int, bytes]]) -> None:
            if answered.result()[0] == 200:
                self.ended.append(number)
            self._free.append(connection)

        return end


def _claim(number: int) -> InsertOne[dict[str, Any]]:
    now = datetime.now(UTC)
    return InsertOne(
        {
            "_id": f"send-{number}",
            "chatbotId": f"bench-{number % 24}",
            "messageId": f"order-{number}",
            "to": "+491510000001",
            "state": "claimed",
            "attempt": 1,
            "claimedAt": now,
            "updatedAt": now,
        }
    )


def _outcome(number: int) -> UpdateOne:
    change = {"state": "sent", "wamid": f"wamid.BENCH{number}", "updatedAt": datetime.now(UTC)}
    return UpdateOne({"_id": f"send-{number}"}, {"$set": change})


async def _send(journal: Any, calls: Calls, rate: float) -> None:
    """Claim what is due, and call."""
    began, number = time.monotonic(), 0
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        due = range(number, int((time.monotonic() - began) * rate))
        if due:
            await journal.bulk_write([_claim(each) for each in due], ordered=False)
        for each in due:
            await calls.begin(each)
        number = max(number, due.stop)


async def _record(journal: Any, calls: Calls) -> None:
    """Write the outcomes of the calls that have an answer."""
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        ended, calls.ended = calls.ended, []
        if ended:
            await journal.bulk_write([_outcome(each) for each in ended], ordered=False)


async def _run() -> None:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(os.environ["MONGODB_URI"])
    database = client.get_database(os.environ["MONGODB_DATABASE"], write_concern=WriteConcern(w="majority", j=True))
    calls = Calls(os.environ["GRAPH_BASE_URL"])
    async with client, asyncio.TaskGroup() as group:
        group.create_task(_send(database["send_journal"], calls, float(os.environ["RATE"])))
        group.create_task(_record(database["send_journal"], calls))


def main() -> None:
    """Run until terminated."""
    uvloop.run(_run())


if __name__ == "__main__":
    main()
