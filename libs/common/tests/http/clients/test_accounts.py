"""Tokens: fetched once, kept briefly, dropped with the account's revision, and never shown."""

import asyncio

import httpx
import pytest
from pydantic import SecretStr

from common.errors import NotFound, Unavailable
from common.http.clients.accounts import CredentialsClient, CredentialsSettings


class Accounts:
    """What the internal listener answers."""

    def __init__(self):
        self.requests = []
        self.answer = httpx.Response(
            200,
            json={"chatbotId": "b", "phoneNumberId": "15", "accessToken": "EAAfake", "revision": 3, "status": "active"},
        )

    async def __call__(self, request):
        self.requests.append(request)
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def accounts():
    return Accounts()


@pytest.fixture
async def client(accounts, clock):
    settings = CredentialsSettings(
        accounts_internal_url="http://accounts", accounts_internal_key=SecretStr("wk_fake"), credentials_ttl_seconds=60
    )
    client = CredentialsClient(settings, now=lambda: clock[0])
    await client._client.aclose()
    client._client = httpx.AsyncClient(
        base_url="http://accounts", transport=httpx.MockTransport(accounts), headers=client._client.headers
    )
    yield client
    await client.close()


async def test_one_fetch_serves_all_who_wait(client, accounts):
    found = await asyncio.gather(*[client.get("b", revision=3) for _ in range(10)])
    assert {c.phone_number_id for c in found} == {"15"}
    assert found[0].token.get_secret_value() == "EAAfake"
    assert len(accounts.requests) == 1
    assert accounts.requests[0].headers["authorization"] == "Bearer wk_fake"
    assert "EAAfake" not in repr(found[0])


async def test_a_token_is_kept_for_its_time_and_its_revision(client, accounts, clock):
    await client.get("b", revision=3)
    clock[0] += 59
    await client.get("b", revision=3)
    assert len(accounts.requests) == 1
    await client.get("b", revision=4)
    assert len(accounts.requests) == 2
    clock[0] += 61
    await client.get("b", revision=3)
    assert len(accounts.requests) == 3
    client.drop("b")
    await client.get("b", revision=3)
    assert len(accounts.requests) == 4


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(404), NotFound),
        (httpx.Response(500), Unavailable),
        (httpx.Response(401), Unavailable),
        (httpx.Response(500, json={"phoneNumberId": "1", "accessToken": "fake", "revision": 9}), Unavailable),
        (httpx.Response(200, text="<html>"), Unavailable),
        (httpx.Response(200, json=[]), Unavailable),
        (httpx.Response(200, json={"phoneNumberId": "1"}), Unavailable),
        (httpx.ConnectError("refused"), Unavailable),
        (httpx.ReadTimeout("slow"), Unavailable),
    ],
)
async def test_what_goes_wrong_is_told_apart(client, accounts, answer, error):
    accounts.answer = answer
    with pytest.raises(error):
        await client.get("b", revision=1)


async def test_a_failure_is_not_kept(client, accounts):
    good, accounts.answer = accounts.answer, httpx.Response(503)
    with pytest.raises(Unavailable):
        await client.get("b", revision=1)
    accounts.answer = good
    assert (await client.get("b", revision=1)).revision == 3


async def test_a_rejected_token_is_reported(client, accounts):
    accounts.answer = httpx.Response(200, json={"success": True})
    await client.report_rejected("b", code=190, revision=3)
    request = accounts.requests[0]
    assert (request.method, request.url.path) == ("POST", "/internal/accounts/b/token-rejected")
    assert request.content == b'{"code":190,"revision":3}'


async def test_a_token_that_works_again_is_reported(client, accounts):
    accounts.answer = httpx.Response(200, json={"success": True})
    await client.report_accepted("b", revision=3)
    request = accounts.requests[0]
    assert (request.method, request.url.path) == ("POST", "/internal/accounts/b/token-accepted")
    assert request.content == b'{"revision":3}'


@pytest.mark.parametrize(
    ("told", "rejected"), [({}, False), ({"tokenRejected": True}, True), ({"tokenRejected": 1}, False)]
)
async def test_the_mark_of_a_refused_token_comes_with_it(client, accounts, told, rejected):
    answer = {"phoneNumberId": "15", "accessToken": "EAAfake", "revision": 3, **told}
    accounts.answer = httpx.Response(200, json=answer)
    assert (await client.get("b", revision=1)).rejected is rejected


async def test_the_cache_is_bounded_and_the_oldest_makes_room(client, accounts):
    client._at_most = 3
    for name in ("a", "b", "c", "a", "d"):  # the second `a` is from memory
        await client.get(name, revision=3)
    assert (list(client._kept), len(accounts.requests)) == (["b", "c", "d"], 4)
    client.drop("b")
    await client.get("b", revision=3)
    await client.get("e", revision=3)
    assert list(client._kept) == ["d", "b", "e"]


async def test_a_token_leaves_the_memory_when_its_time_is_over(client, accounts, clock):
    await client.get("a", revision=3)
    clock[0] += 30
    await client.get("b", revision=3)
    assert client._expiry is not None
    clock[0] += 31
    client._expire()
    assert list(client._kept) == ["b"]
    assert client._expiry is not None  # it comes again for `b`
    clock[0] += 30
    client._expire()
    assert (client._kept, client._expiry) == ({}, None)


async def test_kept_tokens_are_forgotten_without_a_further_call(accounts):
    settings = CredentialsSettings(
        accounts_internal_url="http://accounts",
        accounts_internal_key=SecretStr("wk_fake"),
        credentials_ttl_seconds=0.05,
    )
    client = CredentialsClient(settings)
    await client._client.aclose()
    client._client = httpx.AsyncClient(base_url="http://accounts", transport=httpx.MockTransport(accounts))
    await client.get("b", revision=3)
    async with asyncio.timeout(10):
        while client._kept:
            await asyncio.sleep(0.01)
    await client.close()


async def test_many_accounts_are_asked_for_a_few_at_a_time_and_in_time(client, accounts, monkeypatch):
    under_way, most, gate = 0, 0, asyncio.Event()

    async def slow(request):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await gate.wait()
        under_way -= 1
        return await accounts(request)

    client._client = httpx.AsyncClient(base_url="http://accounts", transport=httpx.MockTransport(slow))
    asking = [asyncio.create_task(client.get(f"b{n}", revision=3)) for n in range(100)]
    async with asyncio.timeout(5):
        while under_way < 16:
            await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*asking)
    assert (most, len(accounts.requests)) == (16, 100)
    gate.clear()
    monkeypatch.setattr("common.http.clients.accounts._TIMEOUT_SECONDS", 0.05)
    hung = [asyncio.create_task(client.get(f"c{n}", revision=3)) for n in range(17)]
    with pytest.raises(Unavailable, match="more than it answers"):
        await hung[-1]
    gate.set()
    await asyncio.gather(*hung[:-1])
