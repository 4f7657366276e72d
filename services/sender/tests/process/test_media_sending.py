"""Links that are uploaded on the way, through the whole sender: real Kafka and MongoDB, Meta as a little server."""

import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from common.contracts import sends, topics
from common.kafka.records import Outgoing

pytestmark = [pytest.mark.integration, pytest.mark.feature("outgoing")]


class Meta:
    """Media and messages of Meta, and the server that the links lead to."""

    def __init__(self, graph):
        self.graph = graph
        self.uploads = []
        self.refuse = None

    async def upload(self, request):
        await request.read()
        self.uploads.append(request.match_info["phone"])
        if self.refuse:
            return web.json_response({"error": {"code": self.refuse}}, status=400)
        return web.json_response({"id": f"id-{len(self.uploads)}"})

    async def file(self, request):
        if request.path.endswith(".png"):
            return web.Response(body=b"x" * 1000, headers={"Content-Type": "image/png"})
        return web.Response(status=404)

    def sent(self):
        return [body["image"] for _, body, _ in self.graph.calls]


@asynccontextmanager
async def meta_of(world):
    meta = Meta(world.graph)
    app = web.Application()
    app.router.add_post("/{version}/{phone}/messages", world.graph.handle)
    app.router.add_post("/{version}/{phone}/media", meta.upload)
    app.router.add_get("/{name}", meta.file)
    async with TestServer(app) as server:
        meta.url = str(server.make_url("")).rstrip("/")
        changes = {"graph_base_url": meta.url, "fetch_plain_http": True, "fetch_private_addresses": True}
        async with world.running(**changes):
            yield meta


async def send(world, chatbot, meta, *names):
    for n, name in enumerate(names):
        message = {"type": "image", "link": f"{meta.url}/{name}", "upload": True}
        body = {"chatbotId": chatbot, "to": f"+491511234567{n}", "message": message, "messageId": f"m-{name}-{n}"}
        await world.publisher.publish([Outgoing(topics.SEND.name, chatbot, json.dumps(body).encode())])


async def test_a_link_is_uploaded_once_and_sent_by_its_id(world):
    chatbot = await world.account()
    async with meta_of(world) as meta:
        await send(world, chatbot, meta, *["a.png"] * 5)
        results = await world.until_results(chatbot, 5, sends.ACCEPTED)
    assert len(meta.uploads) == 1
    assert meta.sent() == [{"id": "id-1"}] * 5
    assert results[0].data.request["message"]["upload"] is True


async def test_a_link_that_leads_nowhere_fails_its_message_alone(world):
    chatbot = await world.account()
    async with meta_of(world) as meta:
        await send(world, chatbot, meta, "none", "a.png")
        failed = await world.until_results(chatbot, 1, sends.FAILED)
        await world.until_results(chatbot, 1, sends.ACCEPTED)
    assert failed[0].data.error.reason == "media_link_refused"
    assert failed[0].data.error.details == "http_404"
    assert len(meta.sent()) == 1


async def test_an_upload_that_meta_fails_is_tried_again_and_counts(world):
    chatbot = await world.account()
    async with meta_of(world) as meta:
        meta.refuse = 131053
        await send(world, chatbot, meta, "a.png")
        failed = await world.until_results(chatbot, 1, sends.FAILED, seconds=60)
    assert failed[0].data.error.code == 131053
    assert failed[0].data.attempts == 4
    assert (len(meta.uploads), meta.sent()) == (4, [])


async def test_an_id_that_meta_has_lost_is_made_anew(world, monkeypatch):
    monkeypatch.setattr("sender.media.cache._SURELY_KNOWN", timedelta(0))
    chatbot = await world.account()
    async with meta_of(world) as meta:
        world.graph.answer = lambda body, _nth: (100, 400) if body["image"]["id"] == "id-1" else None
        await send(world, chatbot, meta, "a.png")
        accepted = await world.until_results(chatbot, 1, sends.ACCEPTED)
    assert meta.sent() == [{"id": "id-1"}, {"id": "id-2"}]
    assert accepted[0].data.attempts == 2
