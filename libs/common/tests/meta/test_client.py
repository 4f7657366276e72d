"""Every way a call to Meta can end, against a raw server on this machine."""

import asyncio
import socket
import struct
from contextlib import asynccontextmanager

import pytest

from common.meta.client import Answered, GraphClient, GraphSettings, NotSent, Unclear

TOKEN = "EAAfake-token"
OK = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{"messages": [1]}'


class RawServer:
    """Accepts connections and hands each request's bytes to `answer(writer)`."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.connections = 0
        self.tasks = set()

    async def connected(self, reader, writer):
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                self.requests.append((head, await reader.readexactly(length)))
                await self.answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer):
    raw = RawServer(answer)
    server = await asyncio.start_server(raw.connected, "127.0.0.1", 0)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        for task in raw.tasks:
            task.cancel()
        await asyncio.gather(*raw.tasks, return_exceptions=True)


@asynccontextmanager
async def client_for(url, *, total=1.0, connect=0.3, in_flight=10):
    settings = GraphSettings(graph_base_url=url, graph_total_seconds=total, graph_connect_seconds=connect)
    client = GraphClient(settings, max_in_flight=in_flight)
    try:
        yield client
    finally:
        await client.close()


async def call(answer, **options):
    async with serving(answer) as raw, client_for(f"http://127.0.0.1:{raw.port}", **options) as client:
        return await client.send("123", TOKEN, b'{"a":1}'), raw


def reset(writer):
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def writes(writer, data):
    writer.write(data)
    await writer.drain()


async def test_an_answer_is_an_answer():
    end, raw = await call(lambda writer: writes(writer, OK))
    assert end == Answered(200, b'{"messages": [1]}')
    head, body = raw.requests[0]
    assert head.startswith(b"POST /v25.0/123/messages HTTP/1.1\r\n")
    assert b"Authorization: Bearer EAAfake-token\r\n" in head
    assert body == b'{"a":1}'


@pytest.mark.parametrize(("status", "body"), [(400, b'{"error":{"code":100}}'), (500, b""), (302, b"")])
async def test_refusals_and_failures_are_answers_too(status, body):
    head = f"HTTP/1.1 {status} X\r\nlocation: /elsewhere\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    end, raw = await call(lambda writer: writes(writer, head + body))
    assert end == Answered(status, body)
    assert len(raw.requests) == 1  # a redirect is not followed: the message would go somewhere else


async def test_a_connection_is_kept_and_used_again():
    async with (
        serving(lambda writer: writes(writer, OK)) as raw,
        client_for(f"http://127.0.0.1:{raw.port}") as client,
    ):
        ends = [await client.send("123", TOKEN, b"{}") for _ in range(5)]
    assert {type(end) for end in ends} == {Answered}
    assert raw.connections == 1


async def test_many_calls_are_in_flight_at_once():
    waiting, all_waiting = [], asyncio.Event()

    async def together(writer):
        waiting.append(writer)
        if len(waiting) == 200:
            all_waiting.set()
        await all_waiting.wait()
        await writes(writer, OK)

    # On a busy machine the connections themselves take their time.
    patient = {"total": 30, "connect": 20, "in_flight": 200}
    async with serving(together) as raw, client_for(f"http://127.0.0.1:{raw.port}", **patient) as client:
        ends = await asyncio.gather(*[client.send("123", TOKEN, b"{}") for _ in range(200)])
    assert {type(end) for end in ends} == {Answered}


async def test_refused_is_not_sent():
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound but not listening: no other process can, and a connection is refused
        async with client_for(f"http://127.0.0.1:{reserved.getsockname()[1]}") as client:
            end = await client.send("123", TOKEN, b"{}")
    assert isinstance(end, NotSent)
    assert "refused" in end.reason


async def test_an_unknown_host_is_not_sent():
    async with client_for("http://nobody.invalid", connect=3.0, total=5.0) as client:
        assert isinstance(await client.send("123", TOKEN, b"{}"), NotSent)


async def test_a_connection_that_is_not_accepted_is_not_sent():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:  # fill the backlog: the next connection attempt is not answered
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        async with client_for(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            end = await client.send("123", TOKEN, b"{}")
        for filler in fillers:
            filler.close()
    assert isinstance(end, NotSent)


async def test_a_failed_tls_handshake_is_not_sent():
    async with serving(None) as raw, client_for(f"https://127.0.0.1:{raw.port}") as client:
        assert isinstance(await client.send("123", TOKEN, b"{}"), NotSent)
    assert raw.requests == []


async def test_no_free_connection_in_time_is_not_sent():
    async def slow(writer):
        await asyncio.sleep(0.6)
        await writes(writer, OK)

    async with (
        serving(slow) as raw,
        client_for(f"http://127.0.0.1:{raw.port}", total=3.0, connect=0.2, in_flight=1) as client,
    ):
        first, second = await asyncio.gather(*[client.send("123", TOKEN, b"{}") for _ in range(2)])
    assert {type(first), type(second)} == {Answered, NotSent}
    assert len(raw.requests) == 1


async def test_an_unusable_token_is_not_sent_and_not_shown():
    async with client_for("http://127.0.0.1:1") as client:
        end = await client.send("123", "EAA\nsecret", b"{}")
    assert end == NotSent("unusable_token_or_number")


async def closes(writer):
    writer.close()


async def resets(writer):
    reset(writer)


async def never(_writer):
    await asyncio.sleep(60)


async def half_then_reset(writer):
    await writes(writer, OK[:-5])
    reset(writer)


async def half_then_never(writer):
    await writes(writer, OK[:-5])
    await asyncio.sleep(60)


async def garbage(writer):
    await writes(writer, b"SMTP ready\r\n\r\n")
    writer.close()


@pytest.mark.parametrize("answer", [closes, resets, never, half_then_reset, half_then_never, garbage])
async def test_whatever_happens_after_the_request_left_is_unclear(answer):
    end, raw = await call(answer)
    assert isinstance(end, Unclear)
    assert len(raw.requests) == 1  # and the client does not try again by itself
    assert TOKEN not in repr(end)


async def lost_at_once(accepts):
    async def connected(_reader, writer):
        accepts(writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server, client_for(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        return await client.send("123", TOKEN, b"{}")


@pytest.mark.parametrize("how", [lambda writer: writer.close(), reset])
async def test_a_connection_lost_at_once_is_never_an_answer(how):
    # A loss that is seen before anything was written is known as such.
    assert isinstance(await lost_at_once(how), NotSent | Unclear)


async def test_a_call_ends_within_its_time():
    began = asyncio.get_running_loop().time()
    await call(never, total=0.4)
    assert asyncio.get_running_loop().time() - began < 2
