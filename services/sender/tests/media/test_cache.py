"""Links uploaded once: with a little web server as their source, and Meta as a function."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from common.contracts.sends import SendRequest
from common.errors import Unavailable
from common.http.fetch.fetcher import Fetcher, FetchSettings
from common.meta.client import Answered
from common.meta.media.rules import Kind
from common.meta.media.upload import MediaClient, MediaSettings
from sender.clock import utc_now
from sender.delivery.payloads import payload
from sender.media.cache import MediaCache
from sender.media.failures import NotReady, SourceUnavailable, Unusable, UploadRejected
from sender.media.links import Ready
from sender.media.store import key_of

NUMBER, TOKEN = "200000000000001", "fake-token"
GONE = Answered(400, b'{"error": {"code": 131053}}')


class Memory:
    """A `MediaStore` without MongoDB."""

    def __init__(self):
        self.kept = {}
        self.away = False

    def _check(self):
        if self.away:
            raise Unavailable("away", code="mongo_unavailable")

    async def load(self, key, _now):
        self._check()
        return self.kept.get(key)

    async def put(self, key, kept):
        self._check()
        self.kept[key] = kept

    async def forget(self, key, before):
        self._check()
        return self.kept[key].at < before and bool(self.kept.pop(key)) if key in self.kept else False


class World:
    """A source, Meta, and a cache between them."""

    def __init__(self):
        self.pages = {"/a.png": (b"x" * 1000, "image/png")}
        self.headers = {}
        self.asked = []
        self.uploads = []
        self.answer = None
        self.store = Memory()
        self.later = timedelta()
        self.gate = asyncio.Event()
        self.gate.set()

    async def page(self, request):
        self.asked.append(request.path)
        await self.gate.wait()
        body, kind = self.pages.get(request.path, (None, ""))
        if body is None:
            return web.Response(status=404)
        return web.Response(body=body, headers={"Content-Type": kind, **self.headers})

    async def meta(self, request):
        body = await request.aread()
        assert request.headers["content-length"] == str(len(body))
        self.uploads.append((request.url.path, request.headers["authorization"], body))
        return self.answer or httpx.Response(200, json={"id": f"id-{len(self.uploads)}"})

    def link(self, path="/a.png"):
        return str(self.server.make_url(path))

    def request(self, *paths, kind="image"):
        cards = [
            {
                "card_index": n,
                "type": "cta_url",
                "header": {"type": kind, kind: {"link": self.link(path), "upload": True}},
            }
            for n, path in enumerate(paths)
        ]
        message = {"type": kind, "link": self.link(paths[0]), "upload": True}
        if len(paths) > 1:
            message = {
                "type": "interactive",
                "interactive": {"type": "carousel", "body": {"text": "b"}, "action": {"cards": cards}},
            }
        return SendRequest.model_validate({"chatbotId": "b", "to": "+4915112345678", "message": message})

    async def prepared(self, *paths, kind="image", number=NUMBER):
        return await self.cache.prepared(self.request(*(paths or ("/a.png",)), kind=kind), number, TOKEN)

    @asynccontextmanager
    async def caching(self, *, seconds=5.0, patience=5.0, **fetching):
        client = MediaClient(MediaSettings(), transport=httpx.MockTransport(self.meta))
        allowed = {"fetch_plain_http": True, "fetch_private_addresses": True}
        fetcher = Fetcher(FetchSettings(**(allowed | fetching)))
        self.cache = MediaCache(
            self.store, client, fetcher, seconds=seconds, patience=patience, now=lambda: utc_now() + self.later
        )
        yield self
        for part in (self.cache, fetcher, client):
            await part.close()


@pytest.fixture
async def world():
    world = World()
    app = web.Application()
    app.router.add_get("/{path:.*}", world.page)
    async with TestServer(app) as server:
        world.server = server
        yield world
        world.gate.set()


async def test_a_link_is_uploaded_once_for_all_messages(world):
    async with world.caching():
        together = await asyncio.gather(*(world.prepared() for _ in range(30)))
        later = await world.prepared()
    assert {made.message.id for made in [*together, later]} == {"id-1"}
    assert (later.message.link, later.message.upload) == (None, False)
    assert world.asked == ["/a.png"]
    ((path, authorization, body),) = world.uploads
    assert (path, authorization) == (f"/v25.0/{NUMBER}/media", f"Bearer {TOKEN}")
    assert b"x" * 1000 in body
    (kept,) = world.store.kept.values()
    assert kept.expires_at - kept.at == timedelta(days=30)


async def test_each_number_has_its_own_upload(world):
    async with world.caching():
        first, second = await world.prepared(), await world.prepared(number="200000000000002")
    assert (first.message.id, second.message.id) == ("id-1", "id-2")


async def test_a_message_without_such_links_is_left_alone(world):
    request = SendRequest.model_validate({"chatbotId": "b", "to": "+4915112345678", "message": "hi"})
    world.store.away = True
    async with world.caching():
        assert await world.cache.prepared(request, NUMBER, TOKEN) is request
        assert not await world.cache.forget(NUMBER, request, GONE)


async def test_all_links_of_a_message_are_uploaded(world):
    world.pages["/b.png"] = (b"y", "image/png")
    async with world.caching():
        made = await world.prepared("/a.png", "/b.png", "/a.png")
    ids = [card.header.image.id for card in made.message.interactive.action.cards]
    assert ids[0] == ids[2]
    assert set(ids) == {"id-1", "id-2"}
    assert len(world.uploads) == 2


@pytest.mark.parametrize(
    ("path", "kind", "head", "mime_type", "taken"),
    [
        ("/a.jpg", "image", b"\xff\xd8\xff\xe0", "image/jpg", "image/jpeg"),
        ("/object/17", "image", b"\x89PNG\r\n\x1a\n", "binary/octet-stream", "image/png"),
        ("/a.jpg", "image", b"\x89PNG\r\n\x1a\n", "application/octet-stream", "image/png"),
        ("/note", "audio", b"OggS" + b"\x00" * 24 + b"OpusHead", "application/octet-stream", "audio/ogg; codecs=opus"),
        ("/note.opus", "audio", b"OggS", "application/ogg", "audio/ogg"),
        ("/song", "audio", b"ID3\x04", "audio/mp3", "audio/mpeg"),
        ("/bill", "document", b"%PDF-1.7", "", "application/pdf"),
    ],
)
async def test_a_file_is_uploaded_as_the_type_that_it_has(world, path, kind, head, mime_type, taken):
    world.pages[path] = (head + b"x" * 9_000, mime_type)
    async with world.caching():
        await world.prepared(path, kind=kind)
    ((_, _, body),) = world.uploads
    assert f"\r\n{taken}\r\n".encode() in body
    assert head + b"x" * 9_000 in body
    assert [kept.mime_type for kept in world.store.kept.values()] == [taken]


async def test_what_a_file_is_decides_what_it_can_be_shown_as(world):
    world.pages["/a"] = (b"%PDF-1.7", "binary/octet-stream")
    async with world.caching():
        with pytest.raises(Unusable) as failure:
            await world.prepared("/a", kind="image")
    assert failure.value.error.details == "image: the file has to be image/jpeg or image/png; given: application/pdf"


@pytest.mark.parametrize(
    ("path", "told", "given", "shown"),
    [
        ("/files/bill%2017.pdf?sig=s", None, None, "bill 17.pdf"),
        ("/files/17", 'attachment; filename="bill.pdf"', None, "bill.pdf"),
        ("/files/a.pdf", "attachment; filename*=UTF-8''Rechnung%20%C3%BC.pdf", None, "Rechnung ü.pdf"),
        ("/files/a.pdf", 'attachment; filename="b.pdf"', "mine.pdf", "mine.pdf"),
        ("/files/eyJhbGciOiJIUzI1NiJ9", None, None, None),
        ("/", None, None, None),
    ],
)
async def test_a_file_behind_a_link_keeps_its_name(world, path, told, given, shown):
    world.pages[path.partition("?")[0].replace("%20", " ")] = (b"%PDF-1.7", "application/pdf")
    world.headers = {"Content-Disposition": told} if told else {}
    source = {"link": world.link(path), "upload": True, **({"filename": given} if given else {})}
    request = SendRequest.model_validate(
        {"chatbotId": "b", "to": "+4915112345678", "message": {"type": "document", **source}}
    )
    async with world.caching():
        for _ in range(2):  # the second time it is remembered
            made = await world.cache.prepared(request, NUMBER, TOKEN)
            assert made.message.filename == shown
            document = json.loads(payload(made, "c"))["document"]
            assert document == {"id": "id-1", **({"filename": shown} if shown else {})}
    assert len(world.uploads) == 1


FAILURES = {
    "not there": ("/none", "image", "media_link_refused", "http_404"),
    "too large": (
        "/large",
        "image",
        "media_too_large",
        "size: the file has to be of at most 5,242,880 bytes; given: 5,242,881",
    ),
    "of another kind": (
        "/page.pdf",
        "image",
        "media_unsupported",
        "image: the file has to be image/jpeg or image/png; given: application/pdf",
    ),
    "a page instead of a file": ("/login", "document", "media_unsupported", None),
    "empty": ("/empty", "image", "media_unsupported", "size: the file has to be larger than nothing; given: 0"),
    "a large sticker that does not move": ("/still.webp", "sticker", "media_too_large", None),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_what_will_never_do_is_told_and_not_asked_for_again_at_once(world, name):
    path, kind, reason, details = FAILURES[name]
    world.pages |= {
        "/large": (b"x" * (5 * 1024 * 1024 + 1), "image/png"),
        "/page.pdf": (b"%PDF", "application/pdf"),
        "/login": (b"<html>", "text/html"),
        "/empty": (b"", "image/png"),
        "/still.webp": (b"RIFF....WEBPVP8 " + b"x" * 200_000, "image/webp"),
    }
    async with world.caching():
        for _ in range(2):
            with pytest.raises(Unusable) as failure:
                await world.prepared(path, kind=kind)
            assert failure.value.error.reason == reason
            assert details in (None, failure.value.error.details)
    assert (len(world.asked), world.uploads) == (1, [])


async def test_a_sticker_that_moves_may_be_larger(world):
    world.pages["/moving.webp"] = (b"RIFF....WEBPVP8X....\x02" + b"x" * 200_000, "image/webp")
    async with world.caching():
        assert (await world.prepared("/moving.webp", kind="sticker")).message.id == "id-1"


async def test_a_file_of_unknown_size_is_judged_as_it_comes(world):
    async def stream(request):
        response = web.StreamResponse(headers={"Content-Type": "image/png"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for _ in range(6 if request.path == "/large" else 2):
            await response.write(b"x" * 1024 * 1024)
        return response

    world.page = stream
    app = web.Application()
    app.router.add_get("/{path:.*}", stream)
    async with TestServer(app) as world.server, world.caching():
        assert (await world.prepared("/fits")).message.id == "id-1"
        with pytest.raises(Unusable) as failure:
            await world.prepared("/large")
    assert failure.value.error.reason == "media_too_large"
    assert world.uploads[0][2].count(b"x") >= 2 * 1024 * 1024


async def test_private_addresses_and_plain_http_are_refused_by_default(world):
    for changes in ({"fetch_private_addresses": False}, {"fetch_plain_http": False}):
        async with world.caching(**changes):
            with pytest.raises(Unusable) as failure:
                await world.prepared()
            assert failure.value.error.reason == "media_link_refused"
    assert world.asked == []


async def test_a_slow_file_is_waited_for_in_pieces(world):
    world.gate.clear()
    async with world.caching(patience=0.02):
        for _ in range(3):
            with pytest.raises(NotReady) as failure:
                await world.prepared()
            assert failure.value.error.reason == "media_uploading"
        world.gate.set()
        async with asyncio.timeout(5):
            while not world.store.kept:
                await asyncio.sleep(0.01)
        assert (await world.prepared()).message.id == "id-1"
    assert world.asked == ["/a.png"]


async def test_a_source_that_never_answers_counts_and_is_asked_again(world):
    world.gate.clear()
    async with world.caching(seconds=0.05):
        for _ in range(2):
            with pytest.raises(SourceUnavailable) as failure:
                await world.prepared()
            assert failure.value.error.details == "timeout"
    assert len(world.asked) == 2


async def test_one_number_does_not_take_all_places(world):
    world.gate.clear()
    many = [f"/{n}.png" for n in range(8)]
    world.pages |= dict.fromkeys(many, (b"x", "image/png"))
    async with world.caching():
        waiting = [asyncio.create_task(world.prepared(path)) for path in many]
        async with asyncio.timeout(5):
            while len(world.asked) < 4:
                await asyncio.sleep(0.01)
            other = asyncio.create_task(world.prepared(number="200000000000002"))
            while "/a.png" not in world.asked:
                await asyncio.sleep(0.01)
        assert len(world.asked) == 5
        world.gate.set()
        await asyncio.gather(*waiting, other)
    assert len(world.uploads) == 9


async def test_metas_refusal_is_passed_on_and_the_next_message_asks_again(world):
    async with world.caching():
        world.answer = httpx.Response(401, json={"error": {"code": 190}})
        with pytest.raises(UploadRejected) as failure:
            await world.prepared()
        assert json.loads(failure.value.end.body)["error"]["code"] == 190
        world.answer = None
        assert (await world.prepared()).message.id == "id-2"


async def test_an_id_that_meta_has_lost_is_forgotten_unless_it_is_new(world):
    async with world.caching():
        request = world.request("/a.png")
        await world.prepared()
        assert not await world.cache.forget(NUMBER, request, GONE)
        world.later = timedelta(minutes=2)
        assert not await world.cache.forget(NUMBER, request, Answered(400, b'{"error": {"code": 131047}}'))
        assert await world.cache.forget(NUMBER, request, GONE)
        assert (await world.prepared()).message.id == "id-2"


async def test_a_kept_id_is_not_shown_as_something_else(world):
    async with world.caching():
        await world.prepared(kind="document")
        assert (await world.prepared(kind="image")).message.id == "id-1"
        with pytest.raises(Unusable):
            await world.prepared(kind="video")


async def test_without_mongodb_a_send_waits_and_what_is_uploaded_is_used(world):
    async with world.caching():
        world.store.away = True
        with pytest.raises(NotReady) as failure:
            await world.prepared()
        assert failure.value.error.reason == "mongo_unavailable"
        assert not await world.cache.forget(NUMBER, world.request("/a.png"), GONE)
        world.store.away = False

        async def away(*_):
            raise Unavailable("away")

        world.store.put = away
        assert await world.cache.resolve(NUMBER, TOKEN, Kind.IMAGE, world.link()) == Ready("id-1", "a.png")
    assert key_of(NUMBER, world.link()) not in world.store.kept
