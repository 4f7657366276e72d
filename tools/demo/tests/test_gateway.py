"""The gateway: one address, every request to the right service, and nothing of it changed."""

import socket
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from demo.gateway import build, end_to_end, targets_of

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
