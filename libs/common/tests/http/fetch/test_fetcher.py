"""Fetching what callers name: which addresses are refused, and how every failure is told."""

import asyncio
import socket

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from common.http.fetch.fetcher import Fetcher, FetchFailed, FetchSettings, name_of, told_name
from common.http.fetch.public_network import is_public

PRIVATE = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254"),
    *("ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::7f00:1"),
    *("64:ff9b::a9fe:a9fe", "2001:0:4136:e378:8000:63bf:80ff:fffe"),
    *("168.63.129.16", "100.100.100.200", "192.0.0.192", "192.0.0.9", "100.127.255.254", "198.18.0.1", "0.1.2.3"),
    *("fec0::1", "feff::1", "64:ff9b:1::1", "64:ff9b:1:a9fe:a9fe::", "5f00::1", "100::1", "2001:10::1", "3fff::1"),
    *("::10.0.0.1", "::1.1.1.1", "::ffff:0:10.0.0.1", "::ffff:0:1.1.1.1", "::ffff:168.63.129.16", "64:ff9b::a83f:8110"),
    *("2002:a83f:8110::1", "2002:101:101::1", "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:169.254.169.254"),
    *("fe80::5efe:1.1.1.1", "2606:4700::1111%eth0", "::ffff:1.1.1.1%1", "fd00:ec2::23", "ff0e::1", "4000::1"),
    *("", "a", "1.1.1", "01.1.1.1", "1.1.1.1%eth0", "0x7f000001", "2130706433", "[::1]"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_in_every_dress(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "157.240.1.1",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2001:4860:4860::8888",
        "2a00:1450::1",
        "2606:4700::5efe:1.1.1.1",
    ],
)
def test_public_addresses_are_not(address):
    assert is_public(address)


@pytest.fixture
async def source():
    """A little server; `hits` are the paths that were asked for."""
    app = web.Application()
    hits = []

    async def answer(request):  # noqa: PLR0911  # one page each
        hits.append((request.path, dict(request.headers)))
        match request.path.strip("/").split("/"):
            case ["file.png"]:
                return web.Response(body=b"x" * 70_000, content_type="image/png")
            case ["chunked"]:
                response = web.StreamResponse(headers={"Content-Type": "image/png"})
                response.enable_chunked_encoding()
                await response.prepare(request)
                await response.write(b"abc")
                await response.write_eof()
                return response
            case ["status", status]:
                return web.Response(status=int(status))
            case ["hop", count]:
                there = f"/hop/{int(count) - 1}" if int(count) else "/file.png"
                return web.Response(status=302, headers={"Location": there, "Set-Cookie": "a=b"})
            case ["to", *rest]:
                return web.Response(status=302, headers={"Location": "/".join(rest).replace(":/", "://", 1)})
            case ["gzip"]:
                return web.Response(body=b"x", headers={"Content-Encoding": "gzip"})
            case ["cut"]:
                response = web.StreamResponse(headers={"Content-Length": "10"})
                await response.prepare(request)
                await response.write(b"abc")
                await asyncio.sleep(0)
                request.transport.abort()
                return response
        return web.Response(status=404)

    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        server.hits = hits
        yield server


async def fetched(url, **settings):
    fetcher = Fetcher(FetchSettings(**{"fetch_plain_http": True, "fetch_private_addresses": True} | settings))
    try:
        async with fetcher.open(str(url)) as file:
            return file, b"".join([chunk async for chunk in file.chunks])
    finally:
        await fetcher.close()


async def failed(url, **settings):
    with pytest.raises(FetchFailed) as failure:
        await fetched(url, **settings)
    assert "127.0.0.1" not in str(failure.value)
    return failure.value.reason, failure.value.permanent


async def test_a_file_comes_with_its_type_name_and_size(source):
    file, content = await fetched(source.make_url("/hop/1"))
    assert (file.mime_type, file.name, file.size, content) == ("image/png", "file.png", 70_000, b"x" * 70_000)
    file, content = await fetched(source.make_url("/chunked"))
    assert (file.size, content) == (None, b"abc")


async def test_nothing_of_one_request_goes_along_with_the_next(source):
    await fetched(source.make_url("/hop/2"))
    assert len(source.hits) == 4
    for _, headers in source.hits:
        assert "Cookie" not in headers
        assert headers["Accept-Encoding"] == "identity"


FAILURES = {
    "/status/404": ("http_404", True),
    "/status/403": ("http_403", True),
    "/status/204": ("http_204", True),
    "/status/429": ("http_429", False),
    "/status/503": ("http_503", False),
    "/hop/9": ("link_redirects_too_often", True),
    "/to/file:/etc/passwd": ("link_scheme_refused", True),
    "/to/ftp:/example.org/a": ("link_scheme_refused", True),
    "/gzip": ("link_compressed", True),
    "/cut": ("RemoteProtocolError", False),
}


@pytest.mark.parametrize("path", FAILURES)
async def test_failures_say_whether_trying_again_helps(source, path):
    assert await failed(source.make_url(path)) == FAILURES[path]


async def test_a_host_that_does_not_answer_may_answer_later(source):
    url = source.make_url("/file.png")
    await source.close()
    assert await failed(url) == ("ConnectError", False)


async def test_only_https_unless_a_setting_says_otherwise(source):
    assert await failed(source.make_url("/file.png"), fetch_plain_http=False) == ("link_scheme_refused", True)
    assert source.hits == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
async def test_private_addresses_are_not_connected_to(source, host):
    url = f"http://{host}:{source.port}/file.png"
    assert await failed(url, fetch_private_addresses=False) == ("link_address_refused", True)
    assert source.hits == []


async def test_a_name_that_leads_both_ways_is_refused_and_the_judged_address_is_the_one_connected_to(
    source, monkeypatch
):
    answers = [["93.184.216.34", "127.0.0.1"]]

    async def resolve(_loop, host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers[0]]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", resolve)
    url = f"http://rebind.test:{source.port}/file.png"
    assert await failed(url, fetch_private_addresses=False) == ("link_address_refused", True)
    answers[0] = ["127.0.0.1"]
    assert (await fetched(url))[1] == b"x" * 70_000


async def test_a_redirect_into_the_private_network_is_refused(source, monkeypatch):
    """The first hop is let through, as a public server would be; the second is judged again."""
    judged = []
    monkeypatch.setattr(
        "common.http.fetch.public_network.is_public", lambda address: judged.append(address) or len(judged) == 1
    )
    url = source.make_url(f"/to/http:/127.0.0.1:{source.port}/file.png")
    assert await failed(url, fetch_private_addresses=False) == ("link_address_refused", True)
    assert [path for path, _ in source.hits] == [url.path]


@pytest.mark.parametrize(
    "url", ["http:///a", "http://\x00/", "http://[::1/", "http://xn--a/", "http://127.0.0.1:70000/", "http://x:-1/"]
)
async def test_an_unusable_link_will_never_do(url):
    reason, permanent = await failed(url)
    assert (reason in {"link_unusable", "link_scheme_refused"}, permanent) == (True, True)


async def test_an_unforeseen_error_is_a_failure_of_the_link_too(monkeypatch):
    async def odd(*_, **__):
        raise ArithmeticError

    monkeypatch.setattr("common.http.fetch.public_network._resolved", odd)
    assert await failed("http://example.test/") == ("ArithmeticError", False)


def test_names():
    assert name_of("/a/b%20c.pdf") == "b c.pdf"
    assert name_of("/") == ""
    assert name_of("/%2e%2e%2fetc") == "etc"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="bill 17.pdf"', "bill 17.pdf"),
        ("attachment; filename=bill.pdf", "bill.pdf"),
        ("inline; filename*=UTF-8''Rechnung%20%C3%BC.pdf; filename=x.pdf", "Rechnung ü.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\plans\\\\a.pdf"', "a.pdf"),
        ('attachment; filename="a\tb.pdf"', "ab.pdf"),
        ("attachment", ""),
        ("", ""),
        ("filename*=", ""),
        ("attachment; filename*=nonsense''%ff%fe", None),
        (f'attachment; filename="{"x" * 500}.pdf"', "x" * 196 + ".pdf"),
    ],
)
def test_the_name_that_a_server_tells(disposition, name):
    told = told_name(disposition)
    assert isinstance(told, str)
    assert name in (None, told)
