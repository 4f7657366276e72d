"""The sender as it is usually written: FastStream per message, pydantic, httpx; no journal, no lanes, no rate limits.

For each record: it is validated, Meta is called, the result is published, the record is acknowledged. `WORKERS` is how
many are under way at once (`max_workers`). With `WORKERS=batch` up to 64 records are taken at once, those of one
recipient in order and all others at the same time, and acknowledged together.
"""

import asyncio
import os
from typing import Any

import httpx
from faststream import FastStream
from faststream.kafka import KafkaBroker
from pydantic import BaseModel, Field

from baselines.faststream_running import run, subscribe

_broker = KafkaBroker(os.environ["KAFKA_BOOTSTRAP_SERVERS"], acks="all", enable_idempotence=True)
_app = FastStream(_broker)
_publisher = _broker.publisher(os.environ.get("OUT_TOPIC", "whatsapp-cloud-send-results"))
_clients: list[httpx.AsyncClient] = []


class Request(BaseModel):
    chatbot_id: str = Field(alias="chatbotId")
    to: str
    message: str
    message_id: str = Field(alias="messageId")
    metadata: dict[str, Any] | None = None


class Result(BaseModel):
    message_id: str = Field(serialization_alias="messageId")
    wamid: str


async def _handle(request: Request) -> None:
    body = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": request.to,
        "type": "text",
        "text": {"body": request.message},
    }
    answer = await _clients[0].post("/v25.0/106540352200000/messages", json=body)
    answer.raise_for_status()
    result = Result(message_id=request.message_id, wamid=answer.json()["messages"][0]["id"])
    await _publisher.publish(result, key=request.to.encode())


async def _handle_batch(requests: list[Request]) -> None:
    people: dict[str, list[Request]] = {}
    for request in requests:
        people.setdefault(request.to, []).append(request)
    async with asyncio.TaskGroup() as group:
        for them in people.values():
            group.create_task(_in_order(them))


async def _in_order(requests: list[Request]) -> None:
    for request in requests:
        await _handle(request)


subscribe(_broker, _handle, _handle_batch, max_records=64)


async def _run() -> None:
    headers = {"authorization": "Bearer EAAfake-token-of-the-benchmark"}
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
    async with httpx.AsyncClient(base_url=os.environ["GRAPH_BASE_URL"], headers=headers, limits=limits) as client:
        _clients.append(client)
        await _app.run()


def main() -> None:
    """Run until SIGTERM."""
    run(_run())


if __name__ == "__main__":
    main()
