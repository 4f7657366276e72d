"""The sender under load, with a fake Meta."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp

from common.contracts import accounts, topics
from common.contracts.envelope import encode
from common.kafka.records import Outgoing
from yardstick.rig.program import Program, python
from yardstick.rig.rig import FAKE_KEYS, Rig, free_port

CHATBOTS: Final = 24
_RECIPIENTS: Final = 20_000


def chatbot(number: int) -> str:
    """The name of a chatbot, which contains its number for the fake accounts."""
    return f"bench-{number}"


def account_records(count: int = CHATBOTS) -> Iterator[Outgoing]:
    """The chatbots, as accounts describes them."""
    now = datetime.now(UTC)
    for number in range(count):
        name = chatbot(number)
        data = accounts.AccountData(
            chatbot_id=name, phone_number_id=f"1065403522{number:05}", status=accounts.ACTIVE, revision=1
        )
        event = accounts.AccountChanged(
            id=name, type=accounts.CHANGED, version=1, occurred_at=now, recorded_at=now, correlation_id=name, data=data
        )
        yield Outgoing(topics.ACCOUNTS.name, name, encode(event))


def send_records(count: int, *, first: int = 0, chatbots: int = CHATBOTS) -> Iterator[Outgoing]:
    """Send requests, round robin over chatbots, each recipient in its turn."""
    for number in range(first, first + count):
        yield send_record(number, chatbots=chatbots)


def send_record(number: int, *, chatbots: int = CHATBOTS, at_ns: int = 0) -> Outgoing:
    """One send request. Its text has the time from which its lateness counts."""
    name = chatbot(number % chatbots)
    request = {
        "chatbotId": name,
        "to": f"+49151{number % _RECIPIENTS:07}",
        "message": f"Hello, your order {number} is on its way. t={at_ns}",
        "messageId": f"order-{number}",
        "metadata": {"orderId": number},
    }
    return Outgoing(topics.SEND.name, name, json.dumps(request).encode())


class Graph:
    """The fake Meta, in its own process."""

    def __init__(self, rig: Rig, latency_ms: float = 0.0, statuses_to: int = 0) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        options = {"port": self.port, "latency-ms": latency_ms, "statuses-to": statuses_to}
        command = python("yardstick.load.graph", *(f"--{name}={value}" for name, value in options.items()))
        self.program = rig.helper("graph", command, f"{self.url}/stats")

    async def stats(self, http: aiohttp.ClientSession) -> dict[str, Any]:
        """The messages that it accepted."""
        async with http.get(f"{self.url}/stats") as response:
            found: dict[str, Any] = await response.json()
            return found


def sender(
    rig: Rig, graph_url: str, database: str, group: str, *, interpreter: str = sys.executable, **more: str
) -> Program:
    """The service without rate limits, of this commit or of the interpreter's; `more` are settings."""
    return rig.service(
        "sender",
        python("sender", interpreter=interpreter),
        free_port(),
        "/health/ready",
        MONGODB_DATABASE=database,
        SENDER_GROUP=group,
        SENDER_STATUS_GROUP=f"{group}-status",
        GRAPH_BASE_URL=graph_url,
        ACCOUNTS_INTERNAL_URL=graph_url,
        ACCOUNTS_INTERNAL_KEY="wk_bench",
        CALLBACK_KEYS=FAKE_KEYS,
        API_KEYS="[]",
        SENDER_MESSAGES_PER_SECOND="1000000",
        SENDER_PAIR_PACE="false",
        **more,
    )
