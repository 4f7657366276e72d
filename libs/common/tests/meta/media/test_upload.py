"""Uploading to Meta: the form, that it is streamed, and each way in which it may end."""

import asyncio

import httpx
import pytest

from common.http.uploads.form_file import form_file
from common.meta.client import Answered, NotSent, Unclear
from common.meta.errors import Klass
from common.meta.media.upload import MediaClient, MediaSettings, UploadFailed, frame

TOKEN, NUMBER = "fake-access-token", "200000000000001"


async def pieces(*given):
    for piece in given:
        yield piece


async def upload(answer, chunks=(b"ab", b"c"), *, size=3, token=TOKEN, **settings):
    client = MediaClient(MediaSettings(**settings), transport=httpx.MockTransport(answer))
    try:
        return await client.upload(NUMBER, token, pieces(*chunks), mime_type="image/png", filename="a.png", size=size)
    finally:
        await client.close()


def answering(status, content):
    async def answer(request):
        await request.aread()
        return httpx.Response(status, json=content)

    return answer


async def test_the_form_has_metas_fields_and_a_length():
    seen = {}

    async def answer(request):
        seen.update(path=request.url.path, headers=request.headers, body=await request.aread())
        return httpx.Response(200, json={"id": "4711"})

    assert await upload(answer) == "4711"
    assert seen["path"] == f"/v25.0/{NUMBER}/media"
    assert seen["headers"]["authorization"] == f"Bearer {TOKEN}"
    assert seen["headers"]["content-length"] == str(len(seen["body"]))
    assert "transfer-encoding" not in seen["headers"]
    assert b'name="messaging_product"\r\n\r\nwhatsapp\r\n' in seen["body"]
    assert b'name="type"\r\n\r\nimage/png\r\n' in seen["body"]
    boundary = seen["headers"]["content-type"].partition("boundary=")[2]
    file = await form_file(pieces(seen["body"]), boundary)
    assert (file.mime_type, file.filename) == ("image/png", "a.png")
    assert b"".join([chunk async for chunk in file.chunks]) == b"abc"


async def test_a_file_is_read_as_it_is_sent():
    read = []

    async def counted():
        for n in range(5):
            read.append(n)
            yield b"x" * 1000

    class Meta(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            stream = aiter(request.stream)
            await anext(stream)
            assert read == []
            await anext(stream)
            assert read == [0]
            return httpx.Response(200, json={"id": "1"})

    client = MediaClient(MediaSettings(), transport=Meta())
    await client.upload(NUMBER, TOKEN, counted(), mime_type="image/png", filename="a", size=5000)
    await client.close()


ENDS = {
    "Meta refuses": (answering(400, {"error": {"code": 131053}}), Answered, Klass.RETRY),
    "token refused": (answering(401, {"error": {"code": 190}}), Answered, Klass.AUTH),
    "success without an id": (answering(200, {"id": 5}), Answered, Klass.AMBIGUOUS),
    "a gateway's page": (answering(502, "no"), Answered, Klass.AMBIGUOUS),
    "no connection": (lambda _: (_ for _ in ()).throw(httpx.ConnectError("x")), NotSent, None),
    "no free connection": (lambda _: (_ for _ in ()).throw(httpx.PoolTimeout("x")), NotSent, None),
    "no answer": (lambda _: (_ for _ in ()).throw(httpx.ReadTimeout("x")), Unclear, None),
}


@pytest.mark.parametrize("name", ENDS)
async def test_every_end_is_told(name):
    answer, kind, klass = ENDS[name]
    with pytest.raises(UploadFailed) as failed:
        await upload(answer)
    assert isinstance(failed.value.end, kind)
    assert (failed.value.failure.klass if failed.value.failure else None) is klass
    assert TOKEN not in str(failed.value)


async def test_an_upload_ends_in_time():
    async def answer(request):
        await asyncio.Event().wait()

    with pytest.raises(UploadFailed) as failed:
        await upload(answer, graph_upload_seconds=0.05)
    assert failed.value.end == Unclear("TimeoutError")


@pytest.mark.parametrize("token", ["fake\r\ntoken", "fäke"])
async def test_an_unusable_token_is_not_sent_and_not_shown(token):
    with pytest.raises(UploadFailed) as failed:
        await upload(answering(200, {"id": "1"}), token=token)
    assert failed.value.end == NotSent("unusable_token_or_number")


async def test_what_the_source_raises_comes_through():
    async def broken():
        yield b"a"
        raise LookupError("the source broke")

    client = MediaClient(MediaSettings(), transport=httpx.MockTransport(answering(200, {"id": "1"})))
    with pytest.raises(LookupError):
        await client.upload(NUMBER, TOKEN, broken(), mime_type="image/png", filename="a", size=9)
    await client.close()


def test_names_cannot_break_out_of_the_form():
    head, _ = frame("b", "image/png\r\nX: y", 'a"\r\nContent-Type: text/html')
    assert b"\r\nX: y" not in head
    assert b'filename="a%22%0D%0AContent-Type: text/html"' in head
