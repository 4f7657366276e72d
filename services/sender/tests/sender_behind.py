"""The sender's API on stand-ins: every route, nothing behind it. Not a test: what hostile tests share."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
from litestar import Litestar
from pydantic import SecretStr

from common.contracts.accounts import ACTIVE, DEACTIVATED, AccountData
from common.http.auth import ApiKey, digest, require
from common.http.clients.accounts import Credentials
from common.http.exception_handlers import exception_handlers
from common.http.request_metrics import measured
from common.http.uploads.capacity import Capacity
from common.meta.media.upload import MediaClient, MediaSettings
from sender.api.batch_route import Admission
from sender.api.media import UploadLimits, media_route
from sender.api.routes import send_router
from sender.api.warnings import WarningFinder
from sender.clock import utc_now
from sender.delivery.transitions import new_entry
from sender.journal.standing import Standings

NUMBER = "200000000000001"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = {"chatbotId": "bot", "to": "+4915112345678", "message": "hi"}
BASE = "/whatsapp-cloud"
KEYS = [
    ApiKey(name="a", sha256=digest("all"), scopes=["send"]),
    ApiKey(name="b", sha256=digest("other"), scopes=["send"], chatbots=["other"]),
]


class Accounts(dict):
    """As far as the routes know the table."""

    async def catch_up(self, _seconds):
        return True


class Behind:
    """What the routes ask: it remembers, and lets a test hold up what it waits for."""

    def __init__(self, batch_bytes=16 << 20):
        self.records = []
        self.asked = []
        self.cancelled = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.due = self.error = None
        self.window_closed, self.held = False, set()
        self.accounts = Accounts(
            bot=AccountData(chatbot_id="bot", phone_number_id=NUMBER, status=ACTIVE, revision=1),
            other=AccountData(chatbot_id="other", phone_number_id=NUMBER, status=ACTIVE, revision=1),
            off=AccountData(chatbot_id="off", phone_number_id=NUMBER, status=DEACTIVATED, revision=1),
        )
        self.batches = Admission(batch_bytes)
        self.limits = UploadLimits(5.0, Capacity(3, "uploads", each=2), Capacity(8_000_000, "bytes of uploads"))

    async def publish(self, records):
        await self.goes_on.wait()
        if self.error is not None:
            raise self.error
        self.records.extend(records)

    async def load(self, journal_id):
        self.asked.append(journal_id)

    async def load_all(self, journal_ids):
        return [await self.load(journal_id) for journal_id in journal_ids]

    async def due_of(self, _journal_id):
        return self.due

    async def closed(self, _number, _to, _now):
        return self.window_closed

    async def nowhere(self, *_named):
        return None

    async def cancel(self, chatbot, message_id):
        self.cancelled.append((chatbot, message_id))
        return new_entry("j", chatbot, message_id, "", NOW)

    async def number_of(self, _chatbot):
        return None

    async def credentials(self, _chatbot, *, revision):
        return Credentials(NUMBER, SecretStr("fake-token"), revision)

    async def meta(self, request):
        await request.aread()
        await self.goes_on.wait()
        return httpx.Response(200, json={"id": "4711"})

    def app(self):
        client = MediaClient(MediaSettings(), transport=httpx.MockTransport(self.meta))
        media = media_route(
            client=client,
            accounts=self.accounts,
            credentials=SimpleNamespace(get=self.credentials),
            on_rejected=lambda *_: None,
            limits=self.limits,
            now=lambda: NOW,
        )
        router = send_router(
            publisher=self,
            accounts=self.accounts,
            warning_finder=WarningFinder(
                is_closed=self.closed, is_held=self.held.__contains__, load=self.load_all, now=utc_now
            ),
            standings=Standings(self.load, self.due_of, self.nowhere, self.nowhere, utc_now),
            cancel=self.cancel,
            number_of=self.number_of,
            media=media,
            batches=self.batches,
            guard=require("send", KEYS),
            now=utc_now,
        )
        return Litestar([router], middleware=[measured], exception_handlers=exception_handlers(), logging_config=None)

    @asynccontextmanager
    async def api(self, key="all"):
        headers = {"authorization": f"Bearer {key}"}
        transport = httpx.ASGITransport(self.app(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://s", headers=headers) as api:
            yield api


def text_of(value):
    """JSON, also of what Python's own writer alone can write (NaN, lone surrogates)."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def attacked(url, key, content, *, connections=50, times=3):
    """Batches over many connections at once, by a process of its own: status and size of each answer."""

    async def one():
        found = []
        async with httpx.AsyncClient(base_url=url, timeout=60, headers={"authorization": f"Bearer {key}"}) as api:
            for _ in range(times):
                answer = await api.post(f"{BASE}/send/batch", content=content)
                found.append((answer.status_code, len(answer.content)))
                await asyncio.sleep(0.1)
        return found

    async def all_of_them():
        return [answer for each in await asyncio.gather(*(one() for _ in range(connections))) for answer in each]

    return asyncio.run(all_of_them())
