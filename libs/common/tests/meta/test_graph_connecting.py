"""Every transport before it has a connection: whom it trusts, which proxy it takes, and that nothing is sent then."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from misbehaving_server import EVERY_TRANSPORT, OK, SMALL, TOKEN, answers, call, client_of, reset, serving, waiting

from common.meta.client import Answered, NotSent

pytestmark = EVERY_TRANSPORT


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
