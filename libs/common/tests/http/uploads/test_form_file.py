"""The file of a form, however its body is cut; and streams that wait on disk."""

import pytest

from common.errors import InvalidInput
from common.http.uploads.form_file import form_file
from common.http.uploads.spool import spooled

BODY = (
    b'--b\r\nContent-Disposition: form-data; name="type"\r\n\r\nimage/png\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    b"con\r\n--tent\r\n"
    b'--b\r\nContent-Disposition: form-data; name="more"\r\n\r\nx\r\n--b--\r\n'
)


async def cut(body, size):
    for start in range(0, len(body), size):
        yield body[start : start + size]
    yield b""


@pytest.mark.parametrize("size", [1, 7, 50, 10_000])
async def test_the_file_of_a_form_is_found_however_the_body_is_cut(size):
    file = await form_file(cut(BODY, size), "b")
    assert (file.mime_type, file.filename) == ("image/png", "a.png")
    assert b"".join([chunk async for chunk in file.chunks]) == b"con\r\n--tent"


async def test_a_form_without_a_file_is_told_so():
    with pytest.raises(InvalidInput, match="no part named `file`"):
        await form_file(cut(BODY.replace(b'"file"', b'"image"'), 50), "b")


@pytest.mark.parametrize("body", [b"no form at all", b"", BODY[:200], BODY[:-8]])
async def test_a_form_that_ends_early_or_is_none_is_refused(body):
    with pytest.raises(InvalidInput):
        _ = [chunk async for chunk in (await form_file(cut(body, 50), "b")).chunks]


async def test_a_file_is_read_no_further_than_it_is_asked_for():
    read = []

    async def endless():
        yield BODY[:-20]
        while True:
            read.append(1)
            yield b"x" * 1000

    file = await form_file(endless(), "b")
    assert file.filename == "a.png"
    assert read == []


@pytest.mark.parametrize("size", [0, 10, 3 << 20])
async def test_a_stream_waits_and_comes_out_again(size):
    async with spooled(cut(b"x" * size, 1 << 16)) as (found, chunks):
        assert found == size
        assert b"".join([chunk async for chunk in chunks]) == b"x" * size
