"""Uploads as the emulator knows them from Meta's pages: the form, the ids, and what Meta says of an id it has lost."""

import hashlib

import pytest
from aiohttp.test_utils import TestServer

from common.contracts.sends import SendRequest
from common.meta.client import Answered, GraphClient
from common.meta.media.upload import MediaClient, MediaSettings, UploadFailed
from graph_emulator.app import build_app
from graph_emulator.config import Config
from graph_emulator.emulator import Emulator
from graph_emulator.state.directory import Business
from sender.delivery.payloads import payload
from sender.media.failures import is_about_media
from sender.media.links import links_of, with_ids

NUMBER, WABA, TOKEN = "200000000000001", "100000000000001", "fake-token"
LINK = "https://x.test/a.png"


@pytest.fixture
async def emulator():
    emulator = Emulator(Config(app_secret="fake-app-secret"))
    emulator.directory.add_business(Business(NUMBER, WABA, "15550001111"))
    emulator.directory.grant(TOKEN, WABA)
    async with TestServer(build_app(emulator)) as server:
        emulator.settings = MediaSettings(graph_base_url=str(server.make_url("")).rstrip("/"))
        yield emulator


async def pieces(content):
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]


async def upload(emulator, content, mime_type="image/png", token=TOKEN):
    client = MediaClient(emulator.settings)
    try:
        return await client.upload(
            NUMBER, token, pieces(content), mime_type=mime_type, filename='a "b" ü.png', size=len(content)
        )
    finally:
        await client.close()


async def send(emulator, media_id):
    message = {"type": "image", "link": LINK, "upload": True, "caption": "c"}
    given = SendRequest.model_validate({"chatbotId": "b", "to": "+4915112345678", "message": message})
    request = with_ids(given, dict.fromkeys(links_of(given.typed()), media_id))
    graph = GraphClient(emulator.settings, max_in_flight=1)
    try:
        return await graph.send(NUMBER, TOKEN, payload(request, "11111111-2222-5333-8444-555555555555"))
    finally:
        await graph.close()


@pytest.mark.parametrize("size", [1, 3_000_000])
async def test_what_is_uploaded_can_be_sent_until_meta_has_lost_it(emulator, size):
    content = b"\r\n--x" * size
    content = content[:size]
    media_id = await upload(emulator, content)
    media = emulator.media.get(media_id)
    assert (media.mime_type, media.phone_number_id) == ("image/png", NUMBER)
    assert media.sha256 == hashlib.sha256(content).hexdigest()
    sent = await send(emulator, media_id)
    assert isinstance(sent, Answered)
    assert sent.status == 200
    assert not is_about_media(sent)
    emulator.media.expire(media_id)
    assert is_about_media(await send(emulator, media_id))


@pytest.mark.parametrize(("given", "code"), [({"mime_type": "image/gif"}, 131053), ({"token": "fake-other"}, 190)])
async def test_what_meta_refuses_has_its_code(emulator, given, code):
    with pytest.raises(UploadFailed) as failed:
        await upload(emulator, b"x", **given)
    assert failed.value.failure.code == code
