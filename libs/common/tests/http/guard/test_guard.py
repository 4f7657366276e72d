"""What guards a listener, on real sockets: slow, endless and greedy clients beside a good one."""

import asyncio
import contextlib
import inspect
import itertools
import re
import threading
import time
from contextlib import asynccontextmanager

import pytest
import uvloop
from prometheus_client import REGISTRY
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from common.http.guard.budget import SMALL_BYTES, BodyBudget
from common.http.guard.limits import MAX_DISCARDED_BYTES, MAX_HEADERS, MAX_PIPELINED, Limits, Progress
from common.http.guard.listener import Listener, Process
from common.http.guard.protocol import stream_body
from common.http.service.serve import HttpSettings, _config, _Server, connections_within

QUICK = Limits(header_bytes=4096, header_seconds=0.25, body_seconds=0.25, connections=40, body_bytes_in_flight=1 << 20)
PATIENCE = 10.0
MIB = 1 << 20


class App:
    """Answers the number of bytes of the body; `/held` only when `let_go` is set."""

    def __init__(self):
        self.forget()

    def forget(self):
        self.let_go, self.gone, self.ended, self.seen = asyncio.Event(), [], [], []
        self.held = 0

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            while (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.seen.append(scope)
        try:
            await getattr(self, scope["path"].strip("/") or "count")(scope, receive, send)
        finally:
            self.ended.append(scope["path"])

    async def count(self, scope, receive, send):
        size = await self._size(receive)
        if size is None:
            self.gone.append(scope["path"])
        else:
            await answer(send, 200, str(size).encode())

    async def held_after(self, _scope, receive, send):
        size = await self._size(receive)
        self.held += 1
        await self.let_go.wait()
        await answer(send, 200, str(size).encode())

    async def held_before(self, scope, receive, send):
        self.held += 1
        await self.let_go.wait()
        await self.count(scope, receive, send)

    async def streamed(self, scope, receive, send):
        stream_body(dict(scope))  # a framework may hand on a copy
        await self.count(scope, receive, send)

    async def refused(self, _scope, _receive, send):
        await answer(send, 401, b"no")

    async def large(self, _scope, _receive, send):
        await answer(send, 200, bytes(32 * MIB))

    async def _size(self, receive):
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return None
            size, more = size + len(message["body"]), message["more_body"]
        return size


async def answer(send, status, body):
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Running:
    """A guarded listener in a thread of its own."""

    def __init__(self, limits):
        self.app, self.process = App(), Process(limits)
        self.listener = Listener(self.process)
        self.server = _Server(_config(self.app, "127.0.0.1", 0, self.listener, 1.0))
        self.thread = threading.Thread(target=lambda: uvloop.run(self._run()), daemon=True)
        self.thread.start()
        until = time.monotonic() + PATIENCE
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.005)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    async def _run(self):
        self.loop = asyncio.get_running_loop()
        self.listener.start()
        await self.server._serve()
        await self.listener.stop()

    def let_go(self):
        self.loop.call_soon_threadsafe(self.app.let_go.set)

    def stop(self):
        self.let_go()
        self.server.should_exit = True

    @property
    def bodies(self):
        return self.process.budget.small + self.process.budget.large


LISTENERS = {}


@pytest.fixture(scope="module", autouse=True)
def _ended():
    yield
    for listener in LISTENERS.values():
        listener.stop()
    for listener in LISTENERS.values():
        listener.thread.join(PATIENCE)
        assert not listener.thread.is_alive()


@asynccontextmanager
async def running(limits=QUICK):
    """A listener with these limits, which others had before; it keeps no connection and no memory of them."""
    listener = LISTENERS.get(limits) or LISTENERS.setdefault(limits, Running(limits))
    listener.app.forget()
    yield listener
    listener.let_go()
    await until(lambda: not listener.listener.open and not listener.bodies)


async def until(condition, seconds=PATIENCE):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def connection(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def response(reader):
    """(status, headers, body) of the next answer; None when the connection ends without one."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        size = int(re.search(rb"content-length: (\d+)", head)[1])
        return int(head.split()[1]), head, await asyncio.wait_for(reader.readexactly(size), PATIENCE)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def end_of(reader):
    """What the other side sends until it closes."""
    came = b""
    with contextlib.suppress(ConnectionError):
        while data := await asyncio.wait_for(reader.read(65536), PATIENCE):
            came += data
    return came


def post(path="/", size=2, body=b"{}"):
    return b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (path.encode(), size) + body


async def ask(port, request):
    async with connection(port) as (reader, writer):
        writer.write(request)
        return await response(reader)


@asynccontextmanager
async def good_client(port):
    """A client beside the attack: each of its requests is answered 200, and quickly."""
    answers, stop = [], asyncio.Event()

    async def work():
        while not stop.is_set() or len(answers) < 3:
            began = time.monotonic()
            got = await ask(port, post())
            answers.append((got and got[0], time.monotonic() - began))
            await asyncio.sleep(0.005)

    task = asyncio.create_task(work())
    try:
        yield answers
    finally:
        stop.set()
        await task
    assert [status for status, _ in answers] == [200] * len(answers)
    assert max(seconds for _, seconds in answers) < 2.0


def refused(reason):
    return REGISTRY.get_sample_value("whatsapp_http_refused_total", {"reason": reason}) or 0.0


# Endless requests

CHUNKED = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
ENDLESS = {
    "header value": (b"GET / HTTP/1.1\r\nx: ", b"a", 431),
    "header name": (b"GET / HTTP/1.1\r\n", b"a", 431),
    "url": (b"GET /", b"a", 431),
    "query": (b"GET /?", b"a=b&", 431),
    "method": (b"", b"G", 400),
    "small headers": (b"GET / HTTP/1.1\r\n", b"a:\r\n", 431),
    "folded header": (b"GET / HTTP/1.1\r\na: b\r\n", b" c\r\n", 400),
    "empty lines": (b"", b"\r\n", 431),
    "second request": (post(), b"GET / HTTP/1.1\r\n" + b"b: c\r\n", None),
    "chunk extension": (CHUNKED + b"1;", b"a", 400),
    "extensions of small chunks": (CHUNKED + b"1\r\nx\r\n1;", b"a=b;", 400),
    "chunk size": (CHUNKED, b"0", 400),
    "small chunks": (CHUNKED, b"1\r\nx\r\n", 400),
    "small chunks after the answer": (CHUNKED.replace(b"/", b"/refused", 1), b"1\r\nx\r\n", None),
    "trailer": (CHUNKED + b"1\r\nx\r\n0\r\nx: ", b"a", 400),
    "small trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"a:\r\n", 400),
}


async def send_endlessly(writer, part, most=64 * MIB):
    """Sends until the other side has had enough; False when it never had."""
    piece = part * max(1, 65536 // len(part))
    try:
        for _ in range(most // len(piece)):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize("kind", ENDLESS)
async def test_what_never_ends_is_refused_and_blocks_no_other_client(kind):
    begin, part, status = ENDLESS[kind]
    async with running() as it:
        async with good_client(it.port), connection(it.port) as (reader, writer):
            writer.write(begin + part * (131_072 // len(part)))
            got = await response(reader)
            assert await asyncio.wait_for(send_endlessly(writer, part), PATIENCE)
        if status is not None:
            assert got is not None
            assert got[0] == status
            assert b"connection: close" in got[1]
        await until(lambda: not it.listener.open)


@pytest.mark.parametrize("step", [1, 7, 4096, 100_000])
@pytest.mark.parametrize("beyond", [0, 1])
async def test_headers_may_have_just_so_many_bytes(step, beyond):
    limits = Limits(header_bytes=1024)
    head = b"GET / HTTP/1.1\r\nx: "
    request = head + b"a" * (1024 - len(head) - 4 + beyond) + b"\r\n\r\n"
    async with running(limits) as it, connection(it.port) as (reader, writer):
        for at in range(0, len(request), step):
            writer.write(request[at : at + step])
            await writer.drain()
        assert (await response(reader))[0] == (431 if beyond else 200)


@pytest.mark.parametrize(("count", "status"), [(MAX_HEADERS, 200), (MAX_HEADERS + 1, 431)])
async def test_headers_may_be_just_so_many(count, status):
    async with running(Limits()) as it:
        assert (await ask(it.port, b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * count + b"\r\n"))[0] == status


async def test_a_large_body_may_follow_large_headers_in_one_piece():
    async with running(Limits(header_bytes=1024)) as it:
        padding = b"x: " + b"a" * 900
        request = b"POST / HTTP/1.1\r\ncontent-length: 300000\r\n" + padding + b"\r\n\r\n" + bytes(300_000)
        assert (await ask(it.port, request))[2] == b"300000"


async def test_a_body_may_come_in_a_thousand_small_chunks():
    async with running() as it:
        assert (await ask(it.port, CHUNKED + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n"))[2] == b"1000"


async def test_a_trailer_is_no_header():
    async with running() as it:
        request = CHUNKED + b"2\r\n{}\r\n0\r\nx-hub-signature-256: fake\r\n\r\n"
        assert (await ask(it.port, request))[2] == b"2"
        assert b"x-hub-signature-256" not in dict(it.app.seen[0]["headers"])


async def test_pipelined_requests_are_answered_in_order():
    async with running() as it:
        async with connection(it.port) as (reader, writer):
            writer.write(b"".join(post(size=size, body=b"x" * size) for size in range(MAX_PIPELINED)))
            got = [(await response(reader))[2] for _ in range(MAX_PIPELINED)]
        assert got == [str(size).encode() for size in range(MAX_PIPELINED)]


async def test_too_many_pipelined_requests_end_the_connection():
    before = refused("pipelined")
    async with running() as it:
        assert (await ask(it.port, b"GET / HTTP/1.1\r\n\r\n" * 200))[0] == 400
        assert refused("pipelined") == before + 1
        assert len(it.app.seen) <= 1


UPGRADES = {
    "java": b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAABAAMAAABk\r\n",
    "websocket": b"upgrade: websocket\r\nconnection: upgrade\r\n",
    "unknown": b"connection: keep-alive, upgrade\r\nupgrade: fake/7, h2c\r\n",
}
LOOKS_LIKE_REQUESTS = b"GET /refused HTTP/1.1\r\n\r\n" * 4
BODIES = {
    "sized": b"content-length: 100\r\n\r\n" + LOOKS_LIKE_REQUESTS,
    "chunked": b"transfer-encoding: chunked\r\n\r\n32\r\n"
    + LOOKS_LIKE_REQUESTS[:50] + b"\r\n32\r\n" + LOOKS_LIKE_REQUESTS[50:] + b"\r\n0\r\nx-trailer: y\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"GET"])
@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("body", BODIES)
async def test_the_body_of_an_upgrade_is_no_request(method, upgrade, body):
    async with running() as it:
        async with connection(it.port) as (reader, writer):
            writer.write(
                method + b" / HTTP/1.1\r\nhost: x\r\n" + UPGRADES[upgrade] + BODIES[body] + LOOKS_LIKE_REQUESTS
            )
            answer = await end_of(reader)
        head, _, text = answer.partition(b"\r\n\r\n")
        assert (head.split()[1], text) == (b"200", b"100")
        assert b"connection: close" in head
        assert [(scope["path"], dict(scope["headers"])[b"host"]) for scope in it.app.seen] == [("/", b"x")]


@pytest.mark.parametrize(
    ("method", "framing"),
    [
        *itertools.product([b"POST", b"GET", b"CONNECT"], [b"", b"content-length: 0\r\n"]),
        (b"CONNECT", b"content-length: 100\r\n"),  # what follows a CONNECT is no body, whatever it says
    ],
)
async def test_what_follows_an_upgrade_without_a_body_is_no_request(method, framing):
    async with running() as it:
        async with connection(it.port) as (reader, writer):
            writer.write(method + b" / HTTP/1.1\r\n" + UPGRADES["java"] + framing + b"\r\n")
            writer.write(LOOKS_LIKE_REQUESTS)
            answer = await end_of(reader)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"\r\n\r\n0")
        assert len(it.app.seen) == 1


@pytest.mark.parametrize("body", BODIES)
async def test_an_upgrade_is_ignored_wherever_its_bytes_are_divided(body):
    request = b"POST / HTTP/1.1\r\n" + UPGRADES["java"] + BODIES[body]
    async with running() as it:
        for at in range(1, len(request), 7):
            async with connection(it.port) as (reader, writer):
                writer.write(post(size=1, body=b"x") + request[:at])
                assert (await response(reader))[2] == b"1"
                writer.write(request[at:])
                assert (await response(reader))[2] == b"100"
        assert {scope["path"] for scope in it.app.seen} == {"/"}


async def test_what_comes_behind_the_body_of_an_upgrade_before_its_answer_is_no_request():
    async with running() as it:
        async with connection(it.port) as (reader, writer):
            writer.write(b"POST /held_after HTTP/1.1\r\n" + UPGRADES["java"] + BODIES["sized"])
            await until(lambda: it.app.held)
            (ours,) = it.listener.open
            writer.write(LOOKS_LIKE_REQUESTS)
            await until(lambda: ours._moved or ours.pipeline)
            it.let_go()
            answer = await end_of(reader)
        assert answer.endswith(b"\r\n\r\n100")
        assert len(it.app.seen) == 1


async def test_a_large_body_of_an_upgrade_arrives():
    async with running() as it:
        head = b"POST / HTTP/1.1\r\nexpect: 100-continue\r\n" + UPGRADES["java"] + b"content-length: 300000\r\n\r\n"
        async with connection(it.port) as (reader, writer):
            writer.write(head)
            assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE) == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(bytes(300_000) + b"more")
            assert (await response(reader))[2] == b"300000"


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b"content-length: 10\r\n\r\nabc", 408), (b"transfer-encoding: chunked\r\n\r\n5\r\nab", 408),
        (b"transfer-encoding: chunked\r\n\r\nno size\r\n", 400), (b"transfer-encoding: gzip\r\n\r\nabc", 400),
        (b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc", 400),
        (b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd", 400), (b"content-length: 3x\r\n\r\nabc", 400),
        (b"transfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 3000, 400),
    ],
)  # fmt: skip
async def test_the_body_of_an_upgrade_has_the_limits_of_others(rest, status):
    async with running() as it:
        got = await ask(it.port, b"POST / HTTP/1.1\r\n" + UPGRADES["java"] + rest)
        plain = await ask(it.port, b"POST / HTTP/1.1\r\n" + rest)
        assert got[0] == plain[0] == status


# Slow requests

HALVES = {
    "nothing": b"",
    "half a request line": b"GET / HT",
    "half of the headers": b"GET / HTTP/1.1\r\nhost: x\r\n",
    "an empty line": b"\r\n",
    "half of a body": post(size=10, body=b"abc"),
    "half of a chunk": CHUNKED + b"5\r\nab",
    "no last chunk": CHUNKED + b"2\r\nab\r\n",
    "half of a trailer": CHUNKED + b"0\r\nx: ",
}


@pytest.mark.parametrize("before", [b"", post()], ids=["first", "second"])
@pytest.mark.parametrize("kind", HALVES)
async def test_what_stands_still_is_closed(kind, before):
    async with running() as it:
        async with good_client(it.port), connection(it.port) as (reader, writer):
            if before:
                writer.write(before)
                assert (await response(reader))[0] == 200
            writer.write(HALVES[kind])
            if HALVES[kind] or not before:  # else it is idle between requests, which has its own rule
                got = await response(reader)
                assert (got and got[0]) == (408 if HALVES[kind] else None)
                await end_of(reader)
        if "body" in kind or "chunk" in kind:
            await until(lambda: it.app.gone)
        await until(lambda: not it.listener.open and not it.bodies)


@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1\r\nx: ", post(size=100_000, body=b"")])
async def test_a_byte_now_and_then_is_not_enough(begin):
    async with running() as it, connection(it.port) as (reader, writer):
        writer.write(begin)

        async def drip():
            while True:
                writer.write(b"a")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        assert (await response(reader))[0] == 408
        dripping.cancel()


async def test_a_connection_between_requests_has_more_time():
    async with running() as it, connection(it.port) as (reader, writer):
        for _ in range(2):
            writer.write(post())
            assert (await response(reader))[0] == 200
            await until(lambda: it.listener.idle and next(iter(it.listener.idle)).waited > 2 * QUICK.header_seconds)


async def test_but_not_for_ever():
    async with running(Limits(header_seconds=0.41)) as it, connection(it.port) as (reader, writer):
        writer.write(post())
        assert (await response(reader))[0] == 200
        await until(lambda: it.listener.idle)
        next(iter(it.listener.idle)).timeout_keep_alive = 0.5
        assert await response(reader) is None


async def test_time_in_which_we_do_not_read_is_not_the_clients():
    async with running() as it:
        size = 700_000
        task = asyncio.create_task(ask(it.port, post("/held_before", size, bytes(size))))
        await until(lambda: it.app.held)
        await asyncio.sleep(3 * QUICK.body_seconds)  # what is proved is that nothing happens
        it.let_go()
        assert (await task)[2] == str(size).encode()


async def test_a_client_that_waits_for_100_continue_waits_for_us():
    async with running() as it, connection(it.port) as (reader, writer):
        writer.write(b"POST /held_before HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        await until(lambda: it.app.held)
        await asyncio.sleep(3 * QUICK.body_seconds)  # what is proved is that nothing happens
        it.let_go()
        assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"{}")
        assert (await response(reader))[0] == 200


@pytest.mark.parametrize("more", [b"", b"connection: close\r\n"])
async def test_an_answer_that_is_not_read_ends(more):
    before = refused("answer_late")
    async with running() as it:
        async with connection(it.port) as (_, writer):
            writer.transport.pause_reading()
            writer.write(b"GET /large HTTP/1.1\r\n" + more + b"\r\n")
            await until(lambda: it.app.ended == ["/large"])
            await until(lambda: not it.listener.open)
        assert refused("answer_late") == before + 1


async def test_an_answer_that_is_read_slowly_is_given_whole():
    async with running() as it, connection(it.port) as (reader, writer):
        writer.write(b"GET /large HTTP/1.1\r\nconnection: close\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        size = 0
        while piece := await reader.read(2 * MIB):
            size += len(piece)
            await asyncio.sleep(0.01)
        assert size == 32 * MIB


# After an early answer


async def test_a_body_is_discarded_after_its_answer_and_the_connection_goes_on():
    async with running() as it:
        async with connection(it.port) as (reader, writer):
            writer.write(post("/refused", 2 * MIB, bytes(2 * MIB)))
            assert (await response(reader))[0] == 401
            writer.write(post())
            assert (await response(reader))[0] == 200
        assert not it.bodies


@pytest.mark.parametrize("end", [b"", b"\r\n"], ids=["announced", "chunked"])
async def test_not_for_ever(end):
    async with running() as it, good_client(it.port), connection(it.port) as (reader, writer):
        writer.write(b"POST /refused HTTP/1.1\r\n")
        writer.write(b"transfer-encoding: chunked\r\n\r\n" if end else b"content-length: 99999999999\r\n\r\n")
        piece = b"10000\r\n" + bytes(65536) + end if end else bytes(65536)
        writer.write(piece)
        assert (await response(reader))[0] == 401  # read first, because a reset takes away what is not read yet
        assert await asyncio.wait_for(send_endlessly(writer, piece, 10 * MAX_DISCARDED_BYTES), PATIENCE)


async def test_a_body_that_stands_still_after_its_answer_is_closed():
    async with running() as it, connection(it.port) as (reader, writer):
        writer.write(post("/refused", 100, b"abc"))
        assert (await response(reader))[0] == 401
        assert await response(reader) is None


# Connections


@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\n", post(size=9, body=b"ab"), post()])
async def test_slow_connections_keep_no_good_client_out(begin):
    limits = Limits(connections=40)
    before = refused("evicted")
    async with running(limits) as it:
        slow = []
        try:
            async with good_client(it.port) as answers:
                for _ in range(300):
                    slow.append(await asyncio.open_connection("127.0.0.1", it.port))
                    slow[-1][1].write(begin)
                after = len(answers)
                await until(lambda: len(answers) > after + 20)
            assert len(it.listener.open) <= limits.connections
            assert refused("evicted") >= before + 260
        finally:
            for _, writer in slow:
                writer.transport.abort()


async def test_a_request_that_is_being_answered_does_not_give_way():
    limits = Limits(connections=10)
    async with running(limits) as it:
        tasks = [asyncio.create_task(ask(it.port, post("/held_after"))) for _ in range(10)]
        await until(lambda: it.app.held == 10)
        status, head, _ = await ask(it.port, post())
        assert (status, b"retry-after: 1" in head) == (503, True)
        it.let_go()
        assert [got[0] for got in await asyncio.gather(*tasks)] == [200] * 10


async def test_the_most_numerous_kind_gives_way():
    async with running(Limits(connections=3)) as it, connection(it.port) as (reader, writer):
        writer.write(post())
        assert (await response(reader))[0] == 200
        async with connection(it.port), connection(it.port), connection(it.port), connection(it.port):
            await until(lambda: len(it.listener.open) == 3)
            writer.write(post())
            assert (await response(reader))[0] == 200


def test_connections_fit_into_the_open_files_of_the_process():
    assert connections_within(1_000_000, 2_000, 2) == 2_000
    assert connections_within(1_024, 2_000, 2) == 256
    assert connections_within(256, 2_000, 2) == 64


# Memory for bodies


async def test_large_bodies_leave_room_for_small_ones():
    large = 300_000
    before = refused("bodies")
    async with running(Limits(body_bytes_in_flight=MIB)) as it:
        async with good_client(it.port):
            tasks = [asyncio.create_task(ask(it.port, post("/held_after", large, bytes(large)))) for _ in range(20)]
            done, waiting = set(), set(tasks)
            while len(done) < 18:
                more, waiting = await asyncio.wait(waiting, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
                assert more
                done |= more
            assert all(
                got is None or (got[0], b"retry-after: 1" in got[1]) == (503, True)
                for got in map(asyncio.Task.result, done)
            )
            assert it.process.budget.large == 2 * large
        it.let_go()
        assert [(await task)[0] for task in waiting] == [200, 200]
        assert refused("bodies") == before + 18
        await until(lambda: not it.bodies)


async def test_a_large_body_that_arrives_slowly_gives_way():
    large = 380_000  # two of them fit
    async with (
        running(Limits(body_bytes_in_flight=MIB)) as it,
        connection(it.port) as (reader, writer),
        connection(it.port) as (_, other),
    ):
        for count, one in enumerate((writer, other), 1):
            one.write(post(size=large, body=bytes(large - 1)))
            await until(lambda count=count: it.process.budget.large == count * (large - 1))
        await until(lambda: all(one.waited > 2.0 for one in it.listener.reading()))
        assert (await ask(it.port, post(size=large, body=bytes(large))))[0] == 200
        assert (await response(reader))[0] == 503


async def test_small_bodies_that_arrive_slowly_give_way_to_small_ones():
    size = SMALL_BYTES - 1
    async with running(Limits(body_bytes_in_flight=MIB)) as it:
        slow = []
        try:
            for _ in range(40):
                slow.append(await asyncio.open_connection("127.0.0.1", it.port))
                slow[-1][1].write(post(size=size, body=bytes(size - 1)))
            await until(lambda: it.process.budget.small > MIB - SMALL_BYTES)
            async with good_client(it.port):
                assert (await ask(it.port, post(size=size, body=bytes(size))))[0] == 200
            assert it.bodies <= MIB
        finally:
            for _, writer in slow:
                writer.transport.abort()
        await until(lambda: not it.bodies)


async def test_a_streamed_body_is_not_held():
    async with running(Limits(body_bytes_in_flight=MIB)) as it:
        assert (await ask(it.port, post("/streamed", 8 * MIB, bytes(8 * MIB))))[2] == str(8 * MIB).encode()
        assert (await ask(it.port, post("/count", 2 * MIB, bytes(2 * MIB))))[0] == 503
        assert not it.bodies


async def test_a_body_counts_until_its_application_ends_though_its_client_has_gone():
    async with running(Limits(body_bytes_in_flight=MIB)) as it:
        async with connection(it.port) as (_, writer):
            writer.write(post("/held_after", 5, b"abcde"))
            await until(lambda: it.app.held)
        await until(lambda: not it.listener.open)
        assert it.bodies == 5
        it.let_go()
        await until(lambda: not it.bodies)


async def test_pipelined_bodies_count():
    async with running(Limits(body_bytes_in_flight=MIB)) as it, connection(it.port) as (reader, writer):
        writer.write(post() + post("/held_after", 30_000, bytes(30_000)))
        assert (await response(reader))[0] == 200
        await until(lambda: it.app.held)
        assert it.bodies >= 30_000
        it.let_go()
        assert (await response(reader))[0] == 200
        await until(lambda: not it.bodies)


def test_the_budget_counts_what_it_is_told():
    budget = BodyBudget(MIB)
    assert budget.grow(0, SMALL_BYTES)
    assert (budget.small, budget.large) == (SMALL_BYTES, 0)
    assert budget.grow(SMALL_BYTES, 1)
    assert (budget.small, budget.large) == (0, SMALL_BYTES + 1)
    budget.shrink(SMALL_BYTES + 1)
    assert budget.grow(0, 7)
    budget.shrink(7)
    assert (budget.small, budget.large) == (0, 0)


def test_small_bodies_may_have_it_all_and_large_ones_three_quarters():
    budget = BodyBudget(MIB)
    assert all(budget.grow(0, SMALL_BYTES) for _ in range(16))
    assert not budget.grow(0, 1)
    budget = BodyBudget(MIB)
    assert budget.grow(0, 3 * MIB // 4)
    assert not budget.grow(3 * MIB // 4, 1)
    assert all(budget.grow(0, SMALL_BYTES) for _ in range(4))
    assert not budget.grow(0, 1)


# Rules of time


def test_a_transfer_is_late_when_it_stops_or_is_slow_on_average():
    limits = Limits(body_seconds=10.0, bytes_per_second=100)
    steady = Progress()
    for second in range(1, 100):
        steady.after(1.0, second * 100)
        assert not steady.is_late(limits)
    steady.after(10.0, steady.moved)
    assert not steady.is_late(limits)
    steady.after(0.1, steady.moved)
    assert steady.is_late(limits)
    slow = Progress()
    for second in range(1, 20):
        slow.after(1.0, second * 50)
    assert not slow.is_late(limits)
    for second in range(20, 22):
        slow.after(1.0, second * 50)
    assert slow.is_late(limits)


@pytest.mark.parametrize(
    ("setting", "limit"),
    [
        ("http_max_header_bytes", "header_bytes"),
        ("http_header_seconds", "header_seconds"),
        ("http_body_seconds", "body_seconds"),
        ("http_max_connections", "connections"),
        ("http_max_body_bytes_in_flight", "body_bytes_in_flight"),
    ],
)
def test_each_setting_is_a_limit(setting, limit):
    default = HttpSettings()
    assert getattr(default.http_limits(), limit) == getattr(Limits(), limit)
    given = HttpSettings(**{setting: 2_000_000})
    assert getattr(given.http_limits(), limit) == 2_000_000


# What we use of uvicorn that it does not promise


def test_uvicorn_has_the_parts_that_the_guard_builds_on():
    made = inspect.getsource(HttpToolsProtocol.__init__)
    for name in ("connections", "tasks", "transport", "flow", "pipeline", "scope", "headers", "cycle", "parser"):
        assert f"self.{name}: " in made or f"self.{name} = " in made, name
    assert "self.timeout_keep_alive" in made
    assert "self._start_asgi_task(self.cycle, app)" in inspect.getsource(HttpToolsProtocol.on_headers_complete)
    # `on_response_complete`, `on_header` and `_start_asgi_task` are written again, so they must not have got more to do.
    assert "cycle, app = self.pipeline.pop()" in inspect.getsource(HttpToolsProtocol.on_response_complete)
    assert "self.pipeline.appendleft((self.cycle, app))" in inspect.getsource(HttpToolsProtocol.on_headers_complete)
    assert "self.headers.append((name, value))" in inspect.getsource(HttpToolsProtocol.on_header)
    assert list(inspect.signature(HttpToolsProtocol._start_asgi_task).parameters) == ["self", "cycle", "app"]
    assert list(inspect.signature(HttpToolsProtocol.__init__).parameters)[1:] == [
        "config",
        "server_state",
        "app_state",
        "_loop",
    ]


def test_uvicorn_has_the_parts_of_a_request_that_the_guard_changes():
    made = inspect.getsource(RequestResponseCycle.__init__)
    for name in (
        "disconnected",
        "keep_alive",
        "waiting_for_100_continue",
        "body",
        "message_event",
        "response_started",
        "response_complete",
    ):
        assert f"self.{name} = " in made, name
    received = inspect.getsource(RequestResponseCycle.receive)
    assert 'if self.disconnected or self.response_complete:\n            return {"type": "http.disconnect"}' in received
    assert {"pause_reading", "resume_reading", "resume_writing"} <= set(dir(FlowControl))
    assert "self.read_paused = " in inspect.getsource(FlowControl.__init__)
    assert "self.write_paused = " in inspect.getsource(FlowControl.__init__)


def test_uvicorn_calls_what_the_guard_overrides():
    source = inspect.getsource(HttpToolsProtocol)
    for name in ("on_message_begin", "on_header", "on_headers_complete", "on_body", "on_message_complete"):
        assert f"def {name}(self" in source
    assert "on_response=self.on_response_complete" in source
