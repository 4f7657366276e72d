"""The gateway: one address, every request to the right service, and nothing of it changed."""

import asyncio
import gzip
import socket
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from testbed.gateway import UnusablePath, build, end_to_end, normal_path, rested_first, targets_of

BODY = bytes(range(256)) * 3


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/account", "short"),
        ("/account/shop-bot", "short"),
        ("/account/shop-bot/deactivate", "short"),
        ("/account/docs", "long"),
        ("/account/docs/openapi.json", "long"),
        ("/account/docs-x", "short"),
        ("/accounts-x", None),
        ("/accounts", None),
        ("/", None),
        ("/other/account", None),
    ],
)
def test_the_longest_prefix_of_whole_segments_wins(path, target):
    assert targets_of(path, {"/account": ["short"], "/account/docs": ["long"]}) == ([target] if target else ())


def test_headers_of_one_hop_are_not_passed_on():
    passed = end_to_end({"Connection": "close", "Host": "a", "Transfer-Encoding": "chunked", "X-Own": "1"})
    assert dict(passed) == {"X-Own": "1"}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/", "/"),
        ("/up/x?a=/../b", "/up/x"),
        ("//up//x", "/up/x"),
        ("/./up/./x/.", "/up/x/"),
        ("/up/../down/x", "/down/x"),
        ("/up/%2e%2E/down", "/down"),
        ("/up/%2E/x", "/up/x"),
        ("/%75%70/x", "/up/x"),
        ("/../../up", "/up"),
        ("/up/..", "/"),
        ("/up/a%2fb", "/up/a%2Fb"),
        ("/up/%252e%252e/x", "/up/%252e%252e/x"),
        ("/up/a%20b%c3%a9", "/up/a%20b%C3%A9"),
        ("/up/x/", "/up/x/"),
        ("/up/...", "/up/..."),
        ("/up/x#/../y", "/up/x"),
    ],
)
def test_a_path_has_one_form(given, path):
    assert normal_path(given) == path
    assert normal_path(path) == path


@pytest.mark.parametrize(
    "given",
    ["", "up", "*", "http://host/up", "/up\\..\\x", "/up/%", "/up/%2", "/up/%zz", "/up/\x00", "/up/é", "/up/a b\n",
     "/up/..%2fx", "/up/a%2F..%2Fb", "/up/a%5C..%5Cb", "/up/.%2e%2fx", "/up%2F..%2Fdown", "/up/%2F.", "/up/%2e%2e%2f"],
)  # fmt: skip
def test_a_path_that_can_be_read_in_two_ways_is_refused(given):
    with pytest.raises(UnusablePath):
        normal_path(given)


async def echo(request):
    """What arrived, told in headers; the body as it came."""
    headers = {
        "x-method": request.method,
        "x-raw-path": request.raw_path,
        "x-signature": request.headers.get("x-hub-signature-256", ""),
        "location": "/elsewhere",
        "retry-after": "1",
    }
    answer = web.Response(status=int(request.query.get("status", "200")), headers=headers, body=await request.read())
    answer.headers.add("x-twice", "a")
    answer.headers.add("x-twice", "b")
    return answer


@asynccontextmanager
async def gateway():
    """A client of a gateway with one service behind `/up` and none behind `/down`."""
    service = web.Application()
    service.router.add_route("*", "/{path:.*}", echo)
    async with TestServer(service) as up:
        here, nowhere = f"http://127.0.0.1:{up.port}", f"http://127.0.0.1:{closed_port()}"
        routes = {"/up": [here], "/down": [nowhere], "/half": [nowhere, here]}
        async with TestClient(TestServer(build(routes))) as client:
            yield client


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def test_bodies_pass_byte_for_byte_in_both_directions():
    async with gateway() as client, client.post("/up/webhook", data=BODY) as answer:
        assert await answer.read() == BODY


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
async def test_compressed_bodies_pass_as_they_are(encoding):
    body = gzip.compress(BODY)
    received = []

    async def note(request):
        received.append((request.headers["content-encoding"], await request.read()))
        return web.Response()

    service = web.Application(handler_args={"auto_decompress": False})
    service.router.add_post("/up", note)
    async with TestServer(service) as up:
        here = f"http://127.0.0.1:{up.port}"
        async with (
            TestClient(TestServer(build({"/up": [here]}))) as client,
            client.post("/up", data=body, headers={"content-encoding": encoding}) as answer,
        ):
            assert answer.status == 200
    assert received == [(encoding, body)]


async def raw(client, target):
    """The status of a request whose target is sent as it stands."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return int(answer.split()[1]), answer


@pytest.mark.parametrize(
    ("target", "passed"),
    [
        ("/up/../internal", None),
        ("/up/%2e%2e/internal", None),
        ("//internal", None),
        ("/up//../../internal/accounts", None),
        ("/up/..%2Finternal", None),
        ("/up%2f..%2finternal", None),
        ("http://x/internal", None),
        ("/internal", None),
        ("/internal/../up/x", "/up/x"),
        ("/x/%2E%2e/%75p//a%2Fb?q=%2e%2e/%2F", "/up/a%2Fb?q=%2e%2e/%2F"),
        ("//up/x", "/up/x"),
    ],
)
async def test_what_is_passed_on_is_what_was_judged(target, passed):
    async with gateway() as client:
        status, answer = await raw(client, target)
    if passed is None:
        assert status in {400, 404}
        assert "x-raw-path" not in answer.lower()
    else:
        assert status == 200
        assert f"x-raw-path: {passed}\r\n" in answer


async def test_chunked_bodies_pass_too():
    async def chunks():
        yield BODY
        yield BODY

    async with gateway() as client, client.post("/up/webhook", data=chunks()) as answer:
        assert await answer.read() == BODY * 2


async def test_method_path_query_and_headers_pass():
    path = "/up/messages/a%2Fb?status=201&after=x%20y&after=z"
    async with gateway() as client, client.put(path, headers={"X-Hub-Signature-256": "sha256=fake"}) as answer:
        assert answer.headers["x-method"] == "PUT"
        assert answer.headers["x-raw-path"] == path
        assert answer.headers["x-signature"] == "sha256=fake"


@pytest.mark.parametrize("status", [200, 204, 302, 404, 503])
async def test_the_status_and_every_header_of_the_answer_pass(status):
    async with gateway() as client, client.get(f"/up?status={status}", allow_redirects=False) as answer:
        assert answer.status == status
        assert (answer.headers["location"], answer.headers["retry-after"]) == ("/elsewhere", "1")
        assert answer.headers.getall("x-twice") == ["a", "b"]


async def test_a_service_that_is_down_is_a_502_that_names_the_path():
    async with gateway() as client, client.get("/down/x") as answer:
        assert answer.status == 502
        error = (await answer.json())["error"]
        assert error["code"] == "bad_gateway"
        assert "/down/x" in error["message"]


async def test_a_path_without_a_service_is_a_404_that_lists_the_routes():
    async with gateway() as client, client.get("/upper") as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["message"].endswith("/down, /half, /up")


async def test_a_replica_that_is_not_there_is_passed_over():
    async with gateway() as client:
        for _ in range(4):
            async with client.post("/half/webhook", data=BODY) as answer:
                assert answer.status == 200


def test_who_refused_within_the_last_second_is_asked_last():
    assert rested_first(["a", "b", "c"], {}, 10.0) == ["a", "b", "c"]
    assert rested_first(["a", "b", "c"], {"a": 9.1}, 10.0) == ["b", "c", "a"]
    assert rested_first(["a", "b", "c"], {"a": 9.0}, 10.0) == ["a", "b", "c"]
    assert rested_first(["a", "b"], {"a": 9.5, "b": 9.9}, 10.0) == ["a", "b"]


@asynccontextmanager
async def replicas(names, routes_to, **settings):
    """A client of a gateway in front of servers that count what they get; `routes_to` maps prefixes to their names."""
    seen = Counter()
    async with AsyncExitStack() as stack:
        urls = {}
        for name in names:
            server = await stack.enter_async_context(TestServer(counting(name, seen)))
            urls[name] = f"http://127.0.0.1:{server.port}"
        routes = {prefix: [urls[name] for name in served] for prefix, served in routes_to.items()}
        yield await stack.enter_async_context(TestClient(TestServer(build(routes, **settings)))), seen


def counting(name, seen):
    async def answer(request):
        seen[name] += 1
        match request.query.get("do"):
            case "break off":
                request.transport.close()
            case "be silent":
                await asyncio.Event().wait()
        return web.Response()

    service = web.Application()
    service.router.add_route("*", "/{path:.*}", answer)
    return service


async def test_replicas_share_the_requests_of_their_service_whatever_other_services_get():
    async with replicas("abcd", {"/one": "ab", "/other": "cd"}) as (client, seen):
        for _ in range(6):
            assert (await client.post("/one")).status == 200
            assert (await client.post("/other")).status == 200
    assert seen == {"a": 3, "b": 3, "c": 3, "d": 3}


async def test_a_request_that_was_sent_is_given_to_no_other_replica():
    async with replicas("ab", {"/up": "ab"}) as (client, seen):
        assert (await client.post("/up?do=break off")).status == 502
    assert seen == {"a": 1}


async def test_a_silent_replica_is_a_502_after_the_timeout_and_the_next_request_goes_elsewhere():
    async with replicas("ab", {"/up": "ab"}, seconds=0.2) as (client, seen):
        assert (await client.post("/up?do=be silent")).status == 502
        assert (await client.post("/up")).status == 200
    assert seen == {"a": 1, "b": 1}


async def test_replicas_that_are_all_down_are_a_502_and_are_asked_again_once_one_is_back():
    port = closed_port()
    routes = {"/up": [f"http://127.0.0.1:{closed_port()}", f"http://127.0.0.1:{port}"]}
    async with TestClient(TestServer(build(routes))) as client:
        assert (await client.post("/up")).status == 502
        async with TestServer(counting("back", Counter()), port=port):
            assert (await client.post("/up")).status == 200


async def test_the_page_at_the_root_is_a_page_and_nothing_else_is():
    async with TestClient(TestServer(build({"/up": ["http://127.0.0.1:1"]}, home="<!doctype html>hello"))) as client:
        answer = await client.get("/")
        assert (answer.status, answer.content_type, await answer.text()) == (200, "text/html", "<!doctype html>hello")
        assert (await client.head("/")).status == 200
        for method, path in (("POST", "/"), ("GET", "/index.html"), ("GET", "/other")):
            assert (await client.request(method, path)).status == 404


async def test_without_a_page_the_root_says_what_there_is():
    async with TestClient(TestServer(build({"/up": ["http://127.0.0.1:1"]}))) as client:
        answer = await client.get("/")
        assert answer.status == 404
        assert "/up" in (await answer.json())["error"]["message"]
