"""A webhook endpoint as a team begins: FastAPI with pywa, whose handler puts each message on Kafka.

pywa checks the signature and answers as soon as it has; `continue_handling` and threads stay as they come. The handler
awaits the acknowledgement, as the service does.
"""

import gc
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from pywa_async import WhatsApp
from pywa_async.types import Message

_TOPIC = os.environ["TOPIC"]
_producers: list[AIOKafkaProducer] = []


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    producer = AIOKafkaProducer(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"], enable_idempotence=True)
    await producer.start()
    _producers.append(producer)
    yield
    await producer.stop()


app = FastAPI(lifespan=_lifespan)
whatsapp = WhatsApp(
    phone_id=None,
    token="EAAfake-token",  # noqa: S106  # no call is made
    server=app,
    webhook_endpoint="/whatsapp-cloud/webhook",
    verify_token="verify",  # noqa: S106  # never verified
    app_secret=os.environ["APP_SECRET"],
    skip_duplicate_updates=False,  # the load repeats its bodies
)


@whatsapp.on_message()  # type: ignore[untyped-decorator]  # its types are not followed
async def _incoming(_: WhatsApp, message: Message) -> None:
    await _producers[0].send_and_wait(_TOPIC, json.dumps(message.raw).encode(), key=message.from_user.wa_id.encode())


@app.get("/health")
async def _health() -> dict[str, bool]:
    return {"success": True}


def main() -> None:
    """Serve until SIGTERM."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    uvicorn.run(
        app, host="127.0.0.1", port=int(os.environ["HTTP_PORT"]), log_config=None, access_log=False, loop="uvloop"
    )


if __name__ == "__main__":
    main()
