"""Meta's statuses of an accepted message, as webhooks: sent, delivered and read, one after the other."""

import asyncio
import json
from typing import Any, Final

from yardstick.load.webhooks import BUSINESS, request

_AFTER: Final = (("sent", 0.05), ("delivered", 0.15), ("read", 0.4))
_CONNECTIONS: Final = 4


class Statuses:
    """Tells ingress on `port` of each message. Answers are not waited for."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = 0

    def tell(self, sent: bytes, wamid: str, phone_number_id: str) -> None:
        """A message was accepted: its statuses follow. `sent` is the body of the call."""
        message = json.loads(sent)
        loop = asyncio.get_running_loop()
        for status, seconds in _AFTER:
            loop.call_later(seconds, self._write, request(body(message, wamid, phone_number_id, status)))

    def _write(self, content: bytes) -> None:
        self._turn = (self._turn + 1) % _CONNECTIONS
        writer = self._writers.get(self._turn)
        if writer is not None and not writer.is_closing():
            writer.write(content)
        else:  # none yet, or ingress has closed it because it was idle
            task = asyncio.create_task(self._connect(self._turn, content))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, number: int, content: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers[number] = writer
        writer.write(content)
        await _drop(reader)
        writer.close()


async def _drop(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


def body(message: dict[str, Any], wamid: str, phone_number_id: str, status: str) -> bytes:
    """The webhook with one status of a sent message."""
    told = {
        "id": wamid,
        "status": status,
        "timestamp": "1767225600",
        "recipient_id": (message.get("to") or message["recipient"]).lstrip("+"),
        "biz_opaque_callback_data": message.get("biz_opaque_callback_data", ""),
    }
    metadata = {"display_phone_number": f"1555{phone_number_id[-7:]}", "phone_number_id": phone_number_id}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [told]}
    entry = {"id": BUSINESS, "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
