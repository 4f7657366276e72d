"""Every transport under a server that misbehaves, on real sockets: what a call ended as, against what the server got.

What happens before a connection stands is in `test_graph_connecting`.
"""

import asyncio
import gzip

import pytest
from misbehaving_server import (
    EVERY_TRANSPORT,
    LARGE,
    OK,
    SMALL,
    TOKEN,
    answers,
    call,
    client_of,
    closing,
    reset,
    resetting,
    serving,
    waiting,
)

from common.meta.client import Answered, NotSent, Unclear

pytestmark = EVERY_TRANSPORT


# While the request is on its way


async def resets_in_the_body(_server, reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    await reader.read(100)
    reset(writer)


async def closes_in_the_body(_server, reader, _writer):
    await reader.readuntil(b"\r\n\r\n")
    await reader.read(100)


async def stops_reading(_server, reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.pause_reading()
    await waiting(writer)


@pytest.mark.parametrize(
    "behave", [resets_in_the_body, closes_in_the_body, stops_reading], ids=lambda one: one.__name__
)
async def test_a_body_that_was_begun_is_unclear(transport, behave):
    end, server = await call(transport, behave, LARGE, total=0.5)
    assert isinstance(end, Unclear)
    assert (server.connections, server.complete) == (1, 0)


@pytest.mark.parametrize("at_once", [resetting, closing])
async def test_a_connection_that_is_lost_at_once_is_never_an_answer(transport, at_once):
    async def behave(_server, _reader, writer):
        await at_once(writer)

    end, server = await call(transport, behave)
    assert isinstance(end, NotSent | Unclear)  # which of them is a race; `call` checks it against the truth
    assert server.complete == 0


async def test_an_empty_body_proves_nothing(transport):
    end, server = await call(transport, answers(then=resetting), b"")
    assert isinstance(end, Unclear)
    assert server.complete == 1


# After the request

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "then"),
    [
        ((), closing),
        ((), resetting),
        ((), waiting),
        ((b"HTTP/1.1 2",), closing),
        ((HEAD + b"content-le",), waiting),
        ((HEAD + b"content-length: 9\r\n\r\n",), closing),
        ((HEAD + b"content-length: 9\r\n\r\n",), waiting),
        ((HEAD + b"content-length: 9\r\n\r\n{}",), closing),
        ((HEAD + b"content-length: 9\r\n\r\n{}",), resetting),
        ((HEAD + b"content-length: x\r\n\r\n{}",), closing),
        ((CHUNKED + b"5\r\n{}",), closing),
        ((CHUNKED + b"2\r\n{}\r\n",), resetting),
        ((CHUNKED + b"2\r\n{}\r\n",), waiting),
        ((CHUNKED + b"zz\r\n{}\r\n",), closing),
        ((HEAD + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",), closing),
        ((b"SMTP ready EAAfake-token\r\n\r\n",), closing),
        ((b"\0" * 40,), closing),
        ((b"HTTP/1.1 100 Continue\r\n\r\n",), closing),
        ((b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n",), waiting),
    ],
    ids=repr,
)
async def test_a_request_without_a_whole_answer_is_unclear(transport, pieces, then):
    end, server = await call(transport, answers(*pieces, then=then), total=0.3 if then is waiting else 2.0)
    assert isinstance(end, Unclear)
    assert (server.connections, server.complete) == (1, 1)  # no transport tries again by itself


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((OK,), Answered(200, b"{}")),
        ((b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",), Answered(302, b"")),
        ((b"HTTP/1.1 307 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",), Answered(307, b"")),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", OK), Answered(200, b"{}")),
        ((b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n", OK), Answered(200, b"{}")),
        ((CHUNKED + b"1\r\n{\r\n", b"1\r\n}\r\n0\r\n\r\n"), Answered(200, b"{}")),
        (
            (HEAD + b"content-encoding: gzip\r\ncontent-length: 22\r\n\r\n" + gzip.compress(b"{}", mtime=0),),
            Answered(200, b"{}"),
        ),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), Answered(204, b"")),
        ((b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n",), Answered(500, b"")),
        ((b"HTTP/1.1 429 X\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\n{}",), Answered(429, b"{}")),
    ],
    ids=repr,
)
async def test_a_whole_answer_is_an_answer(transport, pieces, expected):
    end, server = await call(transport, answers(*pieces))
    assert end == expected
    assert (server.connections, server.complete) == (1, 1)


async def test_an_answer_without_a_length_ends_with_its_connection(transport):
    end, _ = await call(transport, answers(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", then=closing))
    assert end == Answered(200, b"{}")


async def test_an_answer_before_the_body_was_read_is_an_answer(transport):
    async def behave(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 X\r\ncontent-length: 0\r\n\r\n")
        while await reader.read(65_536):
            pass

    end, _ = await call(transport, behave, LARGE)
    assert end == Answered(413, b"")


# Kept connections


async def test_a_connection_is_used_again(transport):
    async with (
        serving(answers(OK)) as server,
        client_of(transport, f"http://127.0.0.1:{server.port}") as client,
    ):
        assert {await client.send("123", TOKEN, SMALL) for _ in range(3)} == {Answered(200, b"{}")}
    assert (server.connections, server.complete) == (1, 3)
    assert b"cookie" not in server.got.lower()


async def test_a_connection_that_was_closed_while_idle_sends_nothing_twice(transport):
    gone = asyncio.Event()

    async def once(server, reader, writer):
        await server.request(reader)
        writer.write(OK)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        gone.set()

    async with (
        serving(once) as server,
        client_of(transport, f"http://127.0.0.1:{server.port}") as client,
    ):
        assert isinstance(await client.send("123", TOKEN, SMALL), Answered)
        await gone.wait()
        end = await client.send("123", TOKEN, SMALL)
    # Seen in time or not is a race; a request that left is answered or unclear, and never repeated.
    assert isinstance(end, Answered | Unclear)
    assert server.complete == (2 if isinstance(end, Answered) else 1)


async def test_a_kept_connection_that_is_reset_under_the_next_request_is_unclear(transport):
    async def second_is_reset(server, reader, writer):
        await server.request(reader)
        writer.write(OK)
        await server.request(reader)
        reset(writer)

    async with (
        serving(second_is_reset) as server,
        client_of(transport, f"http://127.0.0.1:{server.port}") as client,
    ):
        assert isinstance(await client.send("123", TOKEN, SMALL), Answered)
        assert isinstance(await client.send("123", TOKEN, SMALL), Unclear)
    assert (server.connections, server.complete) == (1, 2)


async def test_a_cancelled_call_gives_its_connection_back(transport):
    received = asyncio.Event()

    async def first_waits(server, reader, writer):
        await server.request(reader)
        if server.complete == 1:
            received.set()
            await reader.readexactly(1)  # ends when the client closes
        writer.write(OK)

    async with (
        serving(first_waits) as server,
        client_of(transport, f"http://127.0.0.1:{server.port}", total=0.6, connect=2.0, in_flight=1) as client,
    ):
        given_up = asyncio.create_task(client.send("123", TOKEN, SMALL))
        await received.wait()
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        async with asyncio.timeout(2):  # pyreqwest lets go when the total time is over, the others at once
            await server.closed.wait()
        assert isinstance(await client.send("123", TOKEN, SMALL), Answered)


async def test_a_call_that_is_cancelled_before_it_has_a_connection_is_never_sent(transport):
    received, go = asyncio.Event(), asyncio.Event()

    async def first_waits(server, reader, writer):
        while True:
            await server.request(reader)
            received.set()
            await go.wait()
            writer.write(OK)

    async with (
        serving(first_waits) as server,
        client_of(transport, f"http://127.0.0.1:{server.port}", total=5.0, connect=5.0, in_flight=1) as client,
    ):
        first = asyncio.create_task(client.send("123", TOKEN, SMALL))
        await received.wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.send("123", TOKEN, SMALL), 0.05)
        go.set()
        assert isinstance(await first, Answered)
        assert isinstance(await client.send("123", TOKEN, SMALL), Answered)
    assert server.complete == 2


async def test_a_client_that_is_closed_leaves_its_calls_unclear(transport):
    received = asyncio.Event()

    async def behave(server, reader, writer):
        await server.request(reader)
        received.set()
        await waiting(writer)

    async with (
        serving(behave) as server,
        client_of(transport, f"http://127.0.0.1:{server.port}", total=1.0) as client,
    ):
        begun = asyncio.create_task(client.send("123", TOKEN, SMALL))
        await received.wait()
        await client.close()
        assert isinstance(await begun, Unclear)
        assert isinstance(await client.send("123", TOKEN, SMALL), NotSent | Unclear)
