"""Media over HTTP: upload, look-up, download, delete, expiry."""

import hashlib
import io

import aiohttp
import pytest

from graph_emulator.graph_errors import GraphError
from graph_emulator.state.media import size_limit

PNG = b"\x89PNG not really"


def form(content=PNG, mime_type="image/png", product="whatsapp", kind="image/png"):
    made = aiohttp.FormData(default_to_multipart=True)
    if product:
        made.add_field("messaging_product", product)
    if kind:
        made.add_field("type", kind)
    if content is not None:
        made.add_field("file", io.BytesIO(content), filename="a.png", content_type=mime_type)
    return made


async def upload(rig, **change):
    status, answer = await rig.graph("POST", f"{rig.phone_id}/media", data=form(**change))
    return answer["id"] if status == 200 else answer["error"]["code"]


async def fetch(rig, url, token=None):
    headers = {"Authorization": f"Bearer {token or rig.token}"} if token != "" else {}
    async with rig.client.session.get(url, headers=headers) as answer:
        return answer.status, await answer.read()


async def test_what_was_uploaded_can_be_fetched(rig):
    media_id = await upload(rig)
    _, shown = await rig.graph("GET", media_id)
    assert shown["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert (shown["id"], shown["mime_type"], shown["file_size"]) == (media_id, "image/png", len(PNG))
    assert await fetch(rig, shown["url"]) == (200, PNG)


async def test_a_url_needs_the_token_and_lives_for_five_minutes(rig):
    media_id = await upload(rig)
    url = (await rig.graph("GET", media_id))[1]["url"]
    assert (await fetch(rig, url, token=""))[0] == 401
    assert (await fetch(rig, url.replace("hash=", "hash=0")))[0] == 404
    rig.emulator.directory.grant("stranger", "elsewhere")
    assert (await fetch(rig, url, token="stranger"))[0] == 404
    rig.clock.ahead_ms = 301_000
    assert (await fetch(rig, url))[0] == 404
    fresh = (await rig.graph("GET", media_id))[1]["url"]
    assert (await fetch(rig, fresh))[0] == 200


@pytest.mark.parametrize(("inbound", "days"), [(False, 30), (True, 7)])
async def test_an_id_expires(rig, inbound, days):
    media = rig.emulator.media.add(rig.phone_id, "image/png", PNG, inbound=inbound)
    rig.clock.ahead_ms = days * 86_400_000 - 60_000
    assert (await rig.graph("GET", media.id))[0] == 200
    rig.clock.ahead_ms = days * 86_400_000 + 1
    assert (await rig.graph("GET", media.id))[0] == 400


async def test_media_belongs_to_its_number(rig):
    media_id = await upload(rig)
    assert (await rig.graph("GET", f"{media_id}?phone_number_id={rig.phone_id}"))[0] == 200
    assert (await rig.graph("GET", f"{media_id}?phone_number_id=999"))[0] == 400
    rig.emulator.directory.grant("stranger", "elsewhere")
    for method in ("GET", "DELETE"):
        assert (await rig.graph(method, media_id, token="stranger"))[0] == 400


async def test_deleted_media_is_gone(rig):
    media_id = await upload(rig)
    assert await rig.graph("DELETE", media_id) == (200, {"success": True})
    status, answer = await rig.graph("GET", media_id)
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (400, 100, 33)


async def test_uploaded_media_can_be_sent(rig):
    await rig.accepted(type="image", text=None, image={"id": await upload(rig), "caption": "Look"})


async def test_the_files_own_type_stands_in(rig):
    media_id = await upload(rig, kind=None, mime_type="application/pdf")
    assert (await rig.graph("GET", media_id))[1]["mime_type"] == "application/pdf"


REFUSED = {
    "no product": (100, {"product": None}),
    "no file": (131008, {"content": None}),
    "empty file": (131053, {"content": b""}),
    "unknown kind": (131053, {"kind": "image/gif"}),
    "large sticker": (131053, {"kind": "image/webp", "content": b"x" * (500 * 1024 + 1)}),
    "large image": (131053, {"kind": "image/png", "content": b"x" * (5 * 1024 * 1024 + 1)}),
}


@pytest.mark.parametrize(("code", "change"), REFUSED.values(), ids=REFUSED.keys())
async def test_uploads_that_are_refused(rig, code, change):
    assert await upload(rig, **change) == code


async def test_an_upload_that_is_no_form(rig):
    status, answer = await rig.graph("POST", f"{rig.phone_id}/media", json={})
    assert (status, answer["error"]["code"]) == (400, 100)


@pytest.mark.parametrize(
    ("mime_type", "megabytes"),
    [
        ("audio/ogg; codecs=opus", 16),
        ("video/3gpp", 16),
        ("image/jpeg", 5),
        ("application/pdf", 100),
        ("text/plain", 100),
    ],
)
def test_limits_per_kind(mime_type, megabytes):
    assert size_limit(mime_type) == megabytes * 1024 * 1024


def test_kinds_that_whatsapp_does_not_carry():
    with pytest.raises(GraphError):
        size_limit("video/webm")
