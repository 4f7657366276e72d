"""Every transport under a server that misbehaves, on real sockets: what a call ended as, against what the server got."""

import asyncio
import gzip
import os
import socket
import ssl
import struct
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from common.meta.client import Answered, GraphClient, GraphSettings, NotSent, Unclear
from common.meta.transports.with_aiohttp import AiohttpTransport
from common.meta.transports.with_httpx import HttpxTransport
from common.meta.transports.with_pyreqwest import PyreqwestTransport

TOKEN = "EAAfake-token"
SMALL = b'{"a":1}'
LARGE = b'{"a":"' + b"x" * 16_000_000 + b'"}'  # more than the buffers of a connection hold
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
_AUTHORITIES = ssl.create_default_context()
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")

pytestmark = pytest.mark.parametrize(
    "transport", [PyreqwestTransport, AiohttpTransport, HttpxTransport], ids=["pyreqwest", "aiohttp", "httpx"]
)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    """No proxy of this machine; and its authorities are loaded once, because that takes longer than a call."""
    made = ssl.create_default_context

    def once():
        trusted = os.environ.get("SSL_CERT_FILE")
        return made() if trusted else _AUTHORITIES

    monkeypatch.setattr(ssl, "create_default_context", once)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Server:
    """Hands each connection to `behave(server, reader, writer)`; counts what it got."""

    def __init__(self, behave):
        self.behave = behave
        self.connections = 0
        self.complete = 0  # requests that were there to the last byte
        self.got = b""
        self.tasks = set()
        self.closed = asyncio.Event()

    async def connected(self, reader, writer):
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        try:
            await self.behave(self, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            self.closed.set()
        finally:
            writer.close()

    async def request(self, reader):
        """Read a whole request."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.got += head
        lines = [line.split(b":") for line in head.lower().split(b"\r\n") if b":" in line]
        (length,) = [int(value) for name, value, *_ in lines if name == b"content-length"]
        assert b"transfer-encoding" not in {name for name, *_ in lines}
        await reader.readexactly(length)
        self.complete += 1


@asynccontextmanager
async def serving(behave, context=None):
    server = Server(behave)
    listening = await asyncio.start_server(server.connected, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)


@asynccontextmanager
async def client_of(transport, url, *, total=1.0, connect=0.5, in_flight=10):
    settings = GraphSettings(graph_base_url=url, graph_total_seconds=total, graph_connect_seconds=connect)
    client = GraphClient(settings, max_in_flight=in_flight, transport=transport)
    try:
        yield client
    finally:
        await client.close()


async def call(transport, behave, payload=SMALL, *, scheme="http", context=None, **options):
    async with (
        serving(behave, context) as server,
        client_of(transport, f"{scheme}://127.0.0.1:{server.port}", **options) as client,
    ):
        end = await client.send("123", TOKEN, payload)
        assert TOKEN not in repr(end)
        assert not (isinstance(end, NotSent) and server.complete)  # the one thing that must never be said
        return end, server


def reset(writer):
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def answers(*pieces, then=None):
    async def behave(server, reader, writer):
        while True:
            await server.request(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if then is not None:
                await then(writer)
                return

    return behave


async def closing(writer):
    writer.close()


async def resetting(writer):
    reset(writer)


async def waiting(_writer):
    await asyncio.sleep(60)


# Before a connection stands


async def test_a_refused_connection_is_not_sent(transport):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        async with client_of(transport, f"http://127.0.0.1:{reserved.getsockname()[1]}") as client:
            end = await client.send("123", TOKEN, SMALL)
    assert isinstance(end, NotSent)
    assert "refused" in end.reason


async def test_an_unknown_host_is_not_sent(transport):
    async with client_of(transport, "http://nobody.invalid", connect=3.0, total=5.0) as client:
        assert isinstance(await client.send("123", TOKEN, SMALL), NotSent)


@pytest.mark.parametrize(("connect", "total"), [(0.2, 2.0), (2.0, 0.2)])
async def test_a_connection_that_is_not_accepted_in_time_is_not_sent(transport, connect, total):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:  # fill the backlog
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with client_of(transport, url, connect=connect, total=total) as client:
            began = asyncio.get_running_loop().time()
            end = await client.send("123", TOKEN, SMALL)
        for filler in fillers:
            filler.close()
    assert isinstance(end, NotSent)
    assert asyncio.get_running_loop().time() - began < 1.5


async def test_no_free_connection_in_time_is_not_sent(transport):
    async def slow(server, reader, writer):
        await server.request(reader)
        await asyncio.sleep(0.5)
        writer.write(OK)

    async with (
        serving(slow) as server,
        client_of(transport, f"http://127.0.0.1:{server.port}", total=3.0, connect=0.2, in_flight=1) as client,
    ):
        ends = await asyncio.gather(*[client.send("123", TOKEN, SMALL) for _ in range(2)])
    assert {type(end) for end in ends} == {Answered, NotSent}
    assert server.complete == 1


@pytest.mark.parametrize("token", ["EAA\nsecret", "EAA\0", "EAA\u20ac", "EAA\ud83d"])
async def test_a_token_that_no_header_holds_is_not_sent_and_not_shown(transport, token):
    async with client_of(transport, "http://127.0.0.1:1") as client:
        assert await client.send("123", token, SMALL) == NotSent("unusable_token_or_number")


# TLS


def certificate(folder, *, host="127.0.0.1", days=1):
    """A server's context, and the file that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    alternative = x509.DNSName(host) if host[0].isalpha() else x509.IPAddress(IPv4Address(host))
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, folder / "cert.pem"


async def test_a_trusted_server_answers(transport, tmp_path, monkeypatch):
    context, trusted = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    end, server = await call(transport, answers(OK), scheme="https", context=context)
    assert end == Answered(200, b"{}")
    assert server.complete == 1


@pytest.mark.parametrize(
    ("trust", "wrong"),
    [(False, {}), (True, {"days": -1}), (True, {"host": "elsewhere.example"})],
    ids=["unknown authority", "expired", "another host"],
)
async def test_a_server_that_is_not_who_it_should_be_gets_nothing(transport, trust, wrong, tmp_path, monkeypatch):
    context, trusted = certificate(tmp_path, **wrong)
    if trust:
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    end, server = await call(transport, answers(OK), scheme="https", context=context)
    assert isinstance(end, NotSent)
    assert server.got == b""


async def speaks_plainly(_server, reader, writer):
    await reader.read(1)
    writer.write(OK)
    await waiting(writer)


async def closes_in_the_handshake(_server, reader, _writer):
    await reader.read(1)


async def resets_in_the_handshake(_server, reader, writer):
    await reader.read(1)
    reset(writer)


async def silent(_server, _reader, writer):
    await waiting(writer)


@pytest.mark.parametrize(
    "behave", [speaks_plainly, closes_in_the_handshake, resets_in_the_handshake, silent], ids=lambda one: one.__name__
)
async def test_a_failed_handshake_is_not_sent(transport, behave):
    end, _ = await call(transport, behave, scheme="https", connect=0.3)
    assert isinstance(end, NotSent)


# Proxies


async def refuses_connect(server, reader, writer):
    server.got += await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")


async def closes_on_connect(server, reader, _writer):
    server.got += await reader.readuntil(b"\r\n\r\n")


async def never_answers_connect(server, reader, writer):
    server.got += await reader.readuntil(b"\r\n\r\n")
    await waiting(writer)


async def opens_then_closes(server, reader, writer):
    server.got += await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")


@pytest.mark.parametrize(
    "behave",
    [refuses_connect, closes_on_connect, never_answers_connect, opens_then_closes],
    ids=lambda one: one.__name__,
)
async def test_a_proxy_that_makes_no_connection_is_not_sent(transport, behave, monkeypatch):
    async with serving(behave) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with client_of(transport, "https://graph.example", connect=0.3) as client:
            end = await client.send("123", TOKEN, SMALL)
    assert isinstance(end, NotSent)
    assert proxy.got.startswith(b"CONNECT graph.example:443 ")
    assert TOKEN.encode() not in proxy.got


async def test_a_host_that_goes_past_the_proxy_does(transport, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    end, _ = await call(transport, answers(OK))
    assert isinstance(end, Answered)


async def test_a_proxy_carries_a_plain_call(transport, monkeypatch):
    async with serving(answers(OK)) as proxy:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        async with client_of(transport, "http://graph.example") as client:
            assert await client.send("123", TOKEN, SMALL) == Answered(200, b"{}")
    assert proxy.got.startswith(b"POST http://graph.example/v25.0/123/messages ")


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
