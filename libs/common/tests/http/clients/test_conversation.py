"""Asking for windows: in order, in time, or not at all."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from common.errors import Unavailable
from common.http.clients.conversation import MAX_PAIRS, WindowsClient, WindowsSettings

UNTIL = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


class Conversation:
    """What the internal listener answers: of every pair, an open window."""

    def __init__(self):
        self.requests = []
        self.answer = None

    async def __call__(self, request):
        self.requests.append(request)
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        pairs = self.asked(-1)
        return httpx.Response(200, json={"success": True, "data": [self.told(pair["to"]) for pair in pairs]})

    def asked(self, call):
        return httpx.Response(200, content=self.requests[call].content).json()["pairs"]

    @staticmethod
    def told(to):
        known = to != "DE.unknown"
        return {
            "lastInboundAt": "2026-11-01T09:30:00Z" if known else None,
            "until": "2026-11-02T09:30:00Z" if known else None,
        }


@pytest.fixture
def conversation():
    return Conversation()


def settings(**more):
    return WindowsSettings(
        **{
            "conversation_internal_url": "http://conversation",
            "conversation_internal_key": SecretStr("wk_fake"),
            **more,
        }
    )


@pytest.fixture
async def client(conversation):
    client = WindowsClient(settings(windows_timeout_seconds=20.0))
    headers = client._client.headers
    await client._client.aclose()
    client._client = httpx.AsyncClient(
        base_url="http://conversation", transport=httpx.MockTransport(conversation), headers=headers
    )
    yield client
    await client.close()


async def test_windows_are_told_in_the_order_that_was_asked(client, conversation):
    assert await client.ask([("15", "+491510000001"), ("15", "DE.unknown"), ("16", "DE.1001")]) == [UNTIL, None, UNTIL]
    (request,) = conversation.requests
    assert (request.method, request.url.path) == ("POST", "/internal/windows")
    assert request.headers["authorization"] == "Bearer wk_fake"
    assert conversation.asked(0)[0] == {"phoneNumberId": "15", "to": "+491510000001"}


async def test_nothing_asked_is_no_call(client, conversation):
    assert await client.ask([]) == []
    assert conversation.requests == []


async def test_more_than_one_call_may_ask_for_are_several(client, conversation):
    pairs = [("15", "DE.unknown" if n == MAX_PAIRS else f"DE.{n}") for n in range(MAX_PAIRS + 2)]
    told = await client.ask(pairs)
    assert [n for n, until in enumerate(told) if until is None] == [MAX_PAIRS]
    assert [len(conversation.asked(call)) for call in (0, 1)] == [MAX_PAIRS, 2]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404),
        httpx.Response(500),
        httpx.Response(403),
        httpx.Response(500, json={"data": [{"until": None}]}),
        httpx.Response(302, json={"data": [{"until": None}]}),
        httpx.Response(200),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"data": None}),
        httpx.Response(200, json={"data": []}),
        httpx.Response(200, json={"data": [{"until": None}, {"until": None}]}),
        httpx.Response(200, json={"data": [{}]}),
        httpx.Response(200, json={"data": ["until"]}),
        httpx.Response(200, json={"data": [{"until": 7}]}),
        httpx.Response(200, json={"data": [{"until": "tomorrow"}]}),
        httpx.Response(200, json={"data": [{"until": "2026-11-02T09:30:00"}]}),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
)
async def test_whatever_goes_wrong_is_never_taken_for_a_closed_window(client, conversation, answer):
    conversation.answer = answer
    with pytest.raises(Unavailable) as error:
        await client.ask([("15", "DE.1")])
    assert error.value.error_code == "conversation_unavailable"


async def test_an_answer_that_takes_too_long_is_none(client):
    async def never(request):
        await asyncio.Event().wait()

    client._client = httpx.AsyncClient(base_url="http://conversation", transport=httpx.MockTransport(never))
    client._seconds = 0.2
    with pytest.raises(Unavailable, match=r"within 0\.2 s"):
        await client.ask([("15", "DE.1")])


def test_without_a_url_there_is_no_check():
    off = WindowsSettings()
    assert not off.windows_checked
    assert settings().windows_checked
    with pytest.raises(ValueError, match="not checked"):
        WindowsClient(off)


@pytest.mark.parametrize(
    "wrong",
    [
        {"conversation_internal_key": None},
        {"conversation_internal_key": SecretStr("")},
        {"conversation_internal_url": ""},
        {"conversation_internal_url": "conversation:8082"},
        {"windows_timeout_seconds": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValidationError):
        settings(**wrong)
