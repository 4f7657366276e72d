"""`POST /media`: the route alone, with Meta as a function."""

import asyncio
import hashlib
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest
from litestar import Litestar, Router
from pydantic import SecretStr

from common.contracts.accounts import ACTIVE, DEACTIVATED, AccountData
from common.errors import Unavailable
from common.http.auth import ApiKey, digest, require
from common.http.clients.accounts import Credentials
from common.http.exception_handlers import exception_handlers
from common.http.uploads.capacity import Capacity
from common.meta.media.upload import MediaClient, MediaSettings
from sender.api.media import UploadLimits, media_route

pytestmark = pytest.mark.feature("outgoing")

NUMBER, TOKEN = "200000000000001", "fake-token"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PNG = {"content-type": "image/png"}
PATH = "/whatsapp-cloud/media"
KEYS = [
    ApiKey(name="a", sha256=digest("all"), scopes=["send"]),
    ApiKey(name="b", sha256=digest("other"), scopes=["send"], chatbots=["other"]),
    ApiKey(name="c", sha256=digest("read"), scopes=["read"]),
]


class Accounts(dict):
    """As far as the route knows the table."""

    known = True

    async def catch_up(self, _seconds):
        return self.known


class World:
    def __init__(self):
        self.accounts = Accounts(
            bot=AccountData(chatbot_id="bot", phone_number_id=NUMBER, status=ACTIVE, revision=1),
            off=AccountData(chatbot_id="off", phone_number_id=NUMBER, status=DEACTIVATED, revision=1),
        )
        self.uploads = []
        self.answer = None
        self.rejected = []
        self.away = False
        self.places = Capacity(3, "uploads", each=2)
        self.spool = Capacity(8_000_000, "bytes")

    async def meta(self, request):
        if isinstance(self.answer, Exception):
            raise self.answer
        self.uploads.append((request, await request.aread()))
        return self.answer or httpx.Response(200, json={"id": "4711"})

    async def get(self, _chatbot, *, revision):
        if self.away:
            raise Unavailable("away", code="accounts_unavailable")
        return Credentials(NUMBER, SecretStr(TOKEN), revision)

    @asynccontextmanager
    async def api(self, key="all", seconds=5.0, transport=None):
        client = MediaClient(MediaSettings(), transport=transport or httpx.MockTransport(self.meta))
        route = media_route(
            client=client,
            accounts=self.accounts,
            credentials=SimpleNamespace(get=self.get),
            on_rejected=lambda *given: self.rejected.append(given),
            limits=UploadLimits(seconds, self.places, self.spool),
            now=lambda: NOW,
        )
        app = Litestar(
            [Router("/whatsapp-cloud", route_handlers=[route], guards=[require("send", KEYS)])],
            exception_handlers=exception_handlers(),
            logging_config=None,
        )
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://s", headers=headers) as api:
            yield api
        await client.close()

    async def post(self, content=b"abc", *, bot="bot", key="all", headers=PNG, files=None, **params):
        async with self.api(key) as api:
            body = {"files": files} if files else {"content": content, "headers": headers}
            answer = await api.post(PATH, params={"chatbotId": bot, **params}, **body)
        return answer.status_code, answer.json()


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize(
    ("mime_type", "head", "taken"),
    [
        ("image/jpg", b"\xff\xd8\xff", "image/jpeg"),
        ("audio/x-m4a", b"abc", "audio/mp4"),
        ("application/octet-stream", b"%PDF-1.7", "application/pdf"),
        ("binary/octet-stream", b"\x89PNG\r\n\x1a\n", "image/png"),
    ],
)
async def test_a_file_has_the_type_that_meta_has_a_name_for(world, mime_type, head, taken):
    status, answer = await world.post(head, headers={"content-type": mime_type})
    assert (status, answer["data"]["mimeType"], answer["data"]["size"]) == (200, taken, len(head))
    status, answer = await world.post(files={"file": ("file", head, mime_type)})
    assert (status, answer["data"]["mimeType"], answer["data"]["size"]) == (200, taken, len(head))


async def test_a_file_gets_an_id_with_its_end_and_digest(world):
    status, answer = await world.post(b"abc", filename="a.png")
    assert status == 200
    assert answer["success"]
    assert answer["data"] == {
        "id": "4711",
        "expiresAt": "2026-01-31T00:00:00+00:00",
        "mimeType": "image/png",
        "size": 3,
        "sha256": hashlib.sha256(b"abc").hexdigest(),
    }
    ((request, body),) = world.uploads
    assert request.url.path == f"/v25.0/{NUMBER}/media"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-length"] == str(len(body))
    assert b'filename="a.png"' in body
    assert b"\r\n\r\nabc\r\n" in body


async def test_a_form_is_taken_too(world):
    status, answer = await world.post(files={"file": ("b.pdf", b"%PDF", "application/octet-stream")})
    assert (status, answer["data"]["mimeType"], answer["data"]["size"]) == (200, "application/pdf", 4)
    assert b'filename="b.pdf"' in world.uploads[0][1]
    status, answer = await world.post(files={"image": ("b.pdf", b"%PDF")})
    assert (status, answer["error"]["details"][0]["field"]) == (400, "file")


async def test_a_body_without_a_length_is_taken(world):
    async def chunks():
        yield b"ab"
        yield b"c"

    status, answer = await world.post(chunks())
    assert (status, answer["data"]["size"]) == (200, 3)
    assert world.uploads[0][0].headers["content-length"] == str(len(world.uploads[0][1]))


async def test_a_file_goes_on_to_meta_while_it_comes(world):
    sent, received = [], []
    arrived = asyncio.Event()

    async def chunks():
        for n in range(4):
            sent.append(n)
            yield b"x" * 1000
            if n == 1:
                async with asyncio.timeout(5):
                    await arrived.wait()  # the rest comes only when Meta has the beginning

    class Meta(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            async for chunk in request.stream:
                received.append(chunk)
                if b"x" * 1000 in chunk:
                    arrived.set()
            return httpx.Response(200, json={"id": "1"})

    async with world.api(transport=Meta()) as api:
        headers = {**PNG, "content-length": "4000"}
        # httpx's in-process transport hands chunks on one by one.
        answer = await api.post(PATH, params={"chatbotId": "bot"}, content=chunks(), headers=headers)
    assert answer.status_code == 200
    assert sum(chunk.count(b"x") for chunk in received) >= 4000


async def test_the_declared_size_alone_is_enough_to_refuse(world):
    async def never():
        raise AssertionError("nothing of the body is read")
        yield b""

    status, answer = await world.post(never(), headers={**PNG, "content-length": str(5 * 1024 * 1024 + 1)})
    assert (status, answer["error"]["code"]) == (413, "too_large")
    assert answer["error"]["details"] == {"field": "size", "limit": 5 * 1024 * 1024, "given": 5 * 1024 * 1024 + 1}


async def test_without_a_declared_size_it_ends_at_the_limit(world):
    read = []

    async def endless():
        while True:
            read.append(1)
            yield b"x" * 100_000

    status, answer = await world.post(endless())
    assert (status, answer["error"]["details"]["limit"]) == (413, 5 * 1024 * 1024)
    assert len(read) < 60
    assert world.uploads == []


@pytest.mark.parametrize("given", ["image/gif", "application/octet-stream", "text/html", None])
async def test_types_that_whatsapp_does_not_carry(world, given):
    status, answer = await world.post(headers={"content-type": given} if given else {})
    assert (status, answer["error"]["code"], answer["error"]["details"]["field"]) == (
        415,
        "unsupported_type",
        "mimeType",
    )
    assert "image/jpeg" in answer["error"]["message"]
    assert world.uploads == []


async def test_an_empty_file_is_none(world):
    status, answer = await world.post(b"")
    assert (status, answer["error"]["details"]["given"]) == (415, 0)


REFUSALS = {
    "unknown chatbot": ({"bot": "nobody"}, 404, "unknown_account"),
    "deactivated account": ({"bot": "off"}, 409, "account_deactivated"),
    "key of another chatbot": ({"key": "other"}, 403, "forbidden"),
    "key without the scope": ({"key": "read"}, 403, "forbidden"),
    "unknown key": ({"key": "none"}, 401, "unauthenticated"),
    "no boundary": ({"headers": {"content-type": "multipart/form-data"}}, 400, "invalid_input"),
    "broken form": ({"headers": {"content-type": "multipart/form-data; boundary=b"}}, 400, "invalid_input"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_refusals(world, name):
    given, status, code = REFUSALS[name]
    found, answer = await world.post(**given)
    assert (found, answer["error"]["code"]) == (status, code)
    assert world.uploads == []


def refusal(code, status=400):
    return httpx.Response(status, json={"error": {"code": code, "message": f"about {TOKEN}", "fbtrace_id": "T"}})


METAS = {
    "bad file": (refusal(100), 502, "refused_by_meta", 100),
    "bad token": (refusal(190, 401), 502, "refused_by_meta", 190),
    "number unknown": (refusal(33), 502, "refused_by_meta", 33),
    "too fast": (refusal(80007), 503, "meta_unavailable", 80007),
    "trouble": (refusal(131016, 500), 503, "meta_unavailable", 131016),
    "gateway": (httpx.Response(502, text="bad gateway"), 503, "meta_unavailable", None),
    "no connection": (httpx.ConnectError("x"), 503, "meta_unavailable", None),
    "no answer": (httpx.ReadTimeout("x"), 503, "meta_unavailable", None),
}


@pytest.mark.parametrize("name", METAS)
async def test_meta_refuses_or_is_away(world, name):
    world.answer, status, code, said = METAS[name]
    found, answer = await world.post()
    assert (found, answer["error"]["code"]) == (status, code)
    assert answer["error"].get("details", {}).get("code") == said
    assert [given[2] for given in world.rejected] == ([190] if said == 190 else [])
    if said in {190, None}:
        assert TOKEN not in str(answer)


async def test_accounts_away(world):
    world.away = True
    assert (await world.post())[0] == 503
    world.accounts.clear()
    world.accounts.known = False
    status, answer = await world.post()
    assert (status, answer["error"]["code"]) == (503, "accounts_unavailable")


async def test_an_upload_has_its_time(world):
    async def slow():
        yield b"a"
        await asyncio.sleep(5)

    async with world.api(seconds=0.05) as api:
        answer = await api.post(PATH, params={"chatbotId": "bot"}, content=slow(), headers=PNG)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "upload_timeout")


async def stalled():
    yield b"a"
    await asyncio.sleep(60)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_uploads_at_one_time_are_limited_for_all_and_for_a_chatbot(world):
    world.accounts["two"] = world.accounts["bot"]
    world.accounts["three"] = world.accounts["bot"]
    async with world.api() as api:

        def post(bot, content=b"abc"):
            return api.post(PATH, params={"chatbotId": bot}, content=content, headers=PNG)

        tasks = [asyncio.create_task(post("bot", stalled())) for _ in range(2)]
        await until(lambda: world.places.used == 2)
        mine = await post("bot")
        assert (mine.status_code, mine.headers["retry-after"]) == (429, "1")
        assert mine.json()["error"]["message"].startswith("you have too many uploads")
        assert (await post("two")).status_code == 200
        tasks.append(asyncio.create_task(post("two", stalled())))
        await until(lambda: world.places.used == 3)
        assert (await post("three")).status_code == 429
        for task in tasks:  # their clients go away
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (world.places.used, world.spool.used) == (0, 0)
        assert (await post("bot")).status_code == 200


async def test_a_stalled_upload_frees_its_place_and_its_bytes(world):
    async with world.api(seconds=0.05) as api:
        answer = await api.post(PATH, params={"chatbotId": "bot"}, content=stalled(), headers=PNG)
    assert answer.json()["error"]["code"] == "upload_timeout"
    assert (world.places.used, world.spool.used) == (0, 0)


async def test_bytes_on_disk_are_limited_for_all(world):
    world.spool = Capacity(1_000_000, "bytes of uploads")

    async def chunks():
        for _ in range(3):
            yield b"x" * 400_000

    status, answer = await world.post(chunks())
    assert (status, answer["error"]["code"]) == (429, "too_many_requests")
    assert world.spool.used == 0
    assert (await world.post(b"x"))[0] == 200


async def test_a_client_that_goes_away_is_no_error_of_ours(world):
    async def receive():
        return {"type": "http.disconnect"}

    sent = []

    async def send(message):
        sent.append(message)

    async with world.api() as api:
        headers = [(b"authorization", b"Bearer all"), (b"content-type", b"image/png")]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": PATH,
            "raw_path": PATH.encode(), "root_path": "", "scheme": "http", "query_string": b"chatbotId=bot",
            "headers": headers, "client": ("127.0.0.1", 1), "server": ("s", 80), "state": {},
        }  # fmt: skip
        await api._transport.app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert (world.places.used, world.spool.used) == (0, 0)


HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n'
FIELD = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n'
END = b"\r\n--b--\r\n"
FORMS = {
    "preamble": [b"x" * 50_000, b"y" * 50_000, b"\r\n" + HEAD + b"\r\nabc" + END],
    "epilogue": [HEAD + b"\r\nabc" + END, b"x" * 50_000, b"y" * 50_000],
    "field before": [FIELD, b"x" * 50_000, b"y" * 50_000, b"\r\n" + HEAD + b"\r\nabc" + END],
    "field after": [HEAD + b"\r\nabc\r\n", FIELD, b"x" * 50_000, b"y" * 50_000, END],
    "header": [HEAD + b"X-A: " + b"x" * 5_000, b"\r\n\r\nabc" + END],
    "endless header": [HEAD + b"X-A: ", *[b"x" * 50_000] * 20],
    "headers": [HEAD + b"X-A: b\r\n" * 10 + b"\r\nabc" + END],
    "parts": [(FIELD + b"1\r\n") * 33 + HEAD + b"\r\nabc" + END],
    "nothing": [b"x" * 50_000] * 20,
}


@pytest.mark.parametrize("name", FORMS)
async def test_what_stands_beside_the_file_of_a_form_is_limited(world, name):
    read = []

    async def chunks():
        for chunk in FORMS[name]:
            read.append(chunk)
            yield chunk

    status, _ = await world.post(chunks(), headers={"content-type": "multipart/form-data; boundary=b"})
    assert status in {400, 413}
    assert len(read) <= 5
    assert world.uploads == []
    assert (world.places.used, world.spool.used) == (0, 0)


@pytest.mark.parametrize("boundary", ["b" * 71, "\u00e9", '"a\nb"', '""'])
async def test_boundaries_that_no_form_has(world, boundary):
    given = f"multipart/form-data; boundary={boundary}".encode("latin-1")
    status, _ = await world.post(b"x", headers=[(b"content-type", given)])
    assert status in {400, 413}
