"""The language model answers, and the rules when it does not."""

import asyncio
import json

import httpx
import pytest

from ai_responder.brain import by_llm
from ai_responder.settings import Settings

SETTINGS = Settings(llm_url="http://llm.invalid/v1/chat/completions", llm_key="fake-llm-key", llm_prompt="Be kind.")
DATA = {"contact": {"name": "Ada"}}
BY_RULES = "Hello Ada! How can I help you?"


async def ask(handler, settings=SETTINGS):
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
        return await by_llm(settings, client)("hello", DATA)


def saying(content):
    return httpx.Response(200, json={"choices": [{"message": {"content": content}}]})


async def test_the_answer_of_the_model_is_used():
    assert await ask(lambda _: saying("Good morning!")) == "Good morning!"


async def test_the_model_gets_the_prompt_the_words_and_the_key():
    seen = []

    def handler(request):
        seen.append(request)
        return saying("x")

    await ask(handler)
    assert seen[0].headers["authorization"] == "Bearer fake-llm-key"
    assert json.loads(seen[0].content)["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hello"},
    ]


async def test_an_answer_is_cut_to_what_one_message_holds():
    assert await ask(lambda _: saying("é" * 5000)) == "é" * 4096


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.ConnectTimeout, httpx.ConnectError])
async def test_the_rules_answer_when_the_model_is_away_or_slow(error):
    def handler(request):
        raise error("fake", request=request)

    assert await ask(handler) == BY_RULES


async def test_the_rules_answer_when_the_model_trickles_past_its_time():
    class Trickle(httpx.AsyncByteStream):
        async def __aiter__(self):
            while True:
                await asyncio.sleep(0.01)
                yield b" "

    settings = SETTINGS.model_copy(update={"llm_timeout_seconds": 0.1})
    async with asyncio.timeout(10):
        assert await ask(lambda _: httpx.Response(200, stream=Trickle()), settings) == BY_RULES


@pytest.mark.parametrize("status", [302, 401, 429, 500, 503])
async def test_the_rules_answer_when_the_model_refuses(status):
    assert await ask(lambda _: httpx.Response(status, text="no")) == BY_RULES


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": null}',
        b'{"choices": [{"message": {"content": null}}]}',
        b'{"choices": [{"message": {"content": {"a": 1}}}]}',
        b"\xff\xfe",
    ],
)
async def test_the_rules_answer_when_the_model_answers_oddly(body):
    assert await ask(lambda _: httpx.Response(200, content=body)) == BY_RULES


async def test_the_key_is_not_shown():
    assert "fake-llm-key" not in repr(SETTINGS)
