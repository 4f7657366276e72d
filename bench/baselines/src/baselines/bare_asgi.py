"""The lower bound of a webhook endpoint: a bare ASGI application and one producer, on the same uvicorn as the service.

It checks the signature and puts the body on Kafka as it came, acknowledged by all in-sync replicas: no cutting into
facts, no keys by person, no bound on the time, no health.
"""

import asyncio
import gc
import hashlib
import hmac
import os
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
import uvloop
from aiokafka import AIOKafkaProducer

_SECRET = os.environ["APP_SECRET"].encode()
_TOPIC = os.environ["TOPIC"]

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class App:
    """The application; its lifespan has the producer."""

    def __init__(self) -> None:
        self._producer: AIOKafkaProducer | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or start and stop."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["method"] == "POST":
            await self._deliver(scope, receive, send)
        else:
            await _answer(send, 200, b"{}")

    async def _deliver(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        given = next((value for name, value in scope["headers"] if name == b"x-hub-signature-256"), b"")
        wanted = b"sha256=" + hmac.new(_SECRET, body, hashlib.sha256).hexdigest().encode()
        if not hmac.compare_digest(given, wanted):
            await _answer(send, 400, b'{"success":false}')
            return
        assert self._producer is not None  # noqa: S101  # the lifespan has begun
        await self._producer.send_and_wait(_TOPIC, body)
        await _answer(send, 200, b'{"success":true}')

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._producer = AIOKafkaProducer(
            bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"], enable_idempotence=True
        )
        await self._producer.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._producer.stop()
        await send({"type": "lifespan.shutdown.complete"})


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until SIGTERM."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    config = uvicorn.Config(
        App(), host="127.0.0.1", port=int(os.environ["HTTP_PORT"]), log_config=None, access_log=False, lifespan="on"
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
