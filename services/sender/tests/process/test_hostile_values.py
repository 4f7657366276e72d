"""Hostile values at every route of the sender: an answer below 500 that is small, and no record of what is refused."""

import itertools
import json
from urllib.parse import quote

import pytest
from sender_behind import BASE, GOOD, Behind, text_of

ARABIC = "\u0661\u0662\u0663\u0664\u0665"
FULL_WIDTH = "\uff11\uff12\uff13\uff14\uff15"
HUGE = "x" * 100_000
TEXTS = [
    "", " ", "/", "//", "..", "../../internal", "a/b", "order/17", "a\r\nb: c", "\x00", "a\x00b", "\ud800", "²", ARABIC,
    FULL_WIDTH, "é", "🙂" * 50, "%", "%00", "%ED%A0%80", "NaN", "Infinity", "1e300", "-1", "$ref", "{}", "*", "|",
    "bot\n", "bot ", HUGE,
]  # fmt: skip
OTHERS = [
    None, True, 0, -1, 1e300, 10**400, float("nan"), float("inf"), [], {}, [[]] * 1000, {"a": {"b": []}},
    {f"k{n}": n for n in range(5_000)}, ["x"] * 50_000, {HUGE: 1}, json.loads("[" * 200 + "]" * 200),
]  # fmt: skip
TIMES = [
    "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59+23:59", "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59", "2026-01-01T00:00:00.1234567891234Z", "2026-01-01T00:00:60Z", "2026-01-01",
    "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", 253402300799, 253402300799999, 1e18, -1e18, ARABIC[:1], "2026-01-01T00:00Z",
]  # fmt: skip
FIELDS = ["chatbotId", "to", "message", "metadata", "messageId", "replyTo", "category", "sendAt", "expiresAt", "nope"]
MESSAGES = [
    {"type": HUGE}, {"type": None}, {"type": []}, {"type": "text", "body": "\ud800"}, {"type": "text", HUGE: 1},
    {"type": "contacts", "contacts": [{"name": {"formatted_name": "x"}, **{f"k{n}": 1 for n in range(900)}}]},
    {"type": "contacts", "contacts": [{}] * 9_000},
    {"type": "template", "template": {"components": [{f"k{n}": 1 for n in range(900)}] * 9}},
    {"type": "interactive", "interactive": {"type": "list", "action": {"sections": [{"rows": [{}] * 900}] * 9}}},
]  # fmt: skip


def bodies():
    for field, value in itertools.product(FIELDS, [*TEXTS, *OTHERS]):
        yield {**GOOD, field: value}
    for field, value in itertools.product(["sendAt", "expiresAt"], TIMES):
        yield {**GOOD, field: value}
    yield {**GOOD, "sendAt": "0001-01-01T00:00:00Z", "expiresAt": "9998-12-31T23:59:59-12:00"}
    for message in MESSAGES:
        yield {**GOOD, "message": message}
    yield {**GOOD, **{f"unknown{n}": n for n in range(20_000)}}
    yield from (
        b"",
        b"\xff",
        b"nul",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 5_000,
        b'"\\',
        b"1" * 5_000,
        b"[]",
        b"0",
        b'"\xed\xa0\x80"',
    )


def judged(answer, most=20_000):
    assert answer.status_code < 500, answer.text[:500]
    assert len(answer.content) < most
    assert "error" in answer.json() or answer.json()["success"]


async def test_bodies_of_post_send():
    behind = Behind()
    async with behind.api() as api:
        for body in bodies():
            before = len(behind.records)
            answer = await api.post(f"{BASE}/send", content=text_of(body))
            judged(answer)
            assert (len(behind.records) > before) == (answer.status_code == 200)


async def test_bodies_of_batches():
    behind = Behind()
    async with behind.api() as api:

        async def post(value):
            judged(await api.post(f"{BASE}/send/batch", content=value), most=400_000)

        for body in bodies():
            value = text_of(body)
            await post(value)
            await post(b'{"messages":[' + value + b"]}")
            await post(b'{"messages":' + value + b"}")
        for field in ("chatbotId", "category", "batchId", "messages", "nope"):
            for value in (*TEXTS, *OTHERS):
                await post(text_of({"messages": [GOOD], field: value}))


def encoded(text):
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


ROUTES = [
    ("GET", "/send/{}?chatbotId={}"), ("DELETE", "/send/{}?chatbotId={}"), ("GET", "/numbers/{}?x={}"),
    ("POST", "/media?filename={}&chatbotId={}"), ("POST", "/send?a={}&b={}"), ("POST", "/send/batch?{}={}"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_paths_and_queries(method, path):
    behind = Behind()
    async with behind.api() as api:
        for first, second in itertools.product(TEXTS, [*TEXTS, "bot"]):
            url = BASE + path.format(encoded(first)[:30_000], encoded(second)[:30_000])
            judged(await api.request(method, url, content=b"x", headers={"content-type": "image/png"}))


HEADERS = [
    "correlation-id",
    "traceparent",
    "tracestate",
    "authorization",
    "content-type",
    "content-length",
    "accept",
    "cookie",
]
VALUES = [
    b"", b" ", b"\xff\xfe", "é".encode(), b"x" * 60_000, b"\x00", b"\x01\x7f", b"a b", b"\xb2", b"-1", b"1e9", b"nan",
    b"multipart/form-data; boundary=", b"multipart/form-data; boundary=\xff", b'multipart/form-data; boundary="a\\"b"',
    b"multipart/form-data; boundary=" + b"b" * 5_000, b";;;=;", b"image/png; charset=\xff", b"Bearer \xff", b"Bearer",
    b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
    b"application/json; charset=utf-99", b"%", b"$ref", b"1" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_headers(method, path):
    behind = Behind()
    async with behind.api() as api:
        for name, value in itertools.product(HEADERS, VALUES):
            url = BASE + path.format("m", "bot")
            judged(await api.request(method, url, content=text_of(GOOD), headers=[(name.encode(), value)]))
    for record in behind.records:
        assert sum(len(name) + len(value) for name, value in record.headers) < 4_000


@pytest.mark.parametrize("given", [b"x" * 257, b"x" * 1_000_000, b"\xe9", b"a b", b"a\x01", "é".encode()])
async def test_a_correlation_id_that_records_cannot_carry_is_refused(given):
    behind = Behind()
    async with behind.api() as api:
        headers = {b"correlation-id": given}
        answer = await api.post(f"{BASE}/send", json=GOOD, headers=headers)
        several = await api.post(f"{BASE}/send/batch", json={"messages": [GOOD]}, headers=headers)
        good = await api.post(f"{BASE}/send", json=GOOD, headers={"correlation-id": "x" * 256})
    assert (answer.status_code, answer.json()["error"]["details"][0]["field"]) == (400, "correlation-id")
    assert several.json()["data"]["results"][0]["error"]["code"] == "invalid_input"
    assert good.status_code == 200
    assert dict(behind.records[0].headers)["correlation-id"] == b"x" * 256


IDS = ["order/17", "a//b", "/x", "x/", "wamid.HBgM/9+a==", "a\r\nb", "\x00", "batch/1", "a/../b", "%2F", "é²", "a?b#c"]


@pytest.mark.parametrize("message_id", IDS)
async def test_every_message_id_can_be_read_and_cancelled(message_id):
    behind = Behind()
    async with behind.api() as api:
        sent = await api.post(f"{BASE}/send", json={**GOOD, "messageId": message_id})
        url = f"{BASE}/send/{encoded(message_id)}?chatbotId=bot"
        read, ended = await api.get(url), await api.delete(url)
    assert sent.status_code == 200
    assert read.status_code == 404
    told = dict(behind.records[0].headers)["event-id"].decode()
    assert set(behind.asked) == {told}
    assert behind.cancelled == [("bot", message_id)]
    assert ended.status_code == 409  # the stand-in has not cancelled it


async def test_an_id_that_no_message_can_have_leaves_no_trace():
    behind = Behind()
    async with behind.api() as api:
        for method in ("GET", "DELETE"):
            answer = await api.request(method, f"{BASE}/send/{'x' * 129}?chatbotId=bot")
            assert answer.status_code == 400
    assert not behind.asked
    assert not behind.cancelled


@pytest.mark.parametrize("due", [0.0, 1.8e9, 253402300799.0, 253402300800.0, 1e300])
async def test_a_schedule_at_the_end_of_the_calendar_can_be_shown(due):
    behind = Behind()
    behind.due = due
    async with behind.api() as api:
        answer = await api.get(f"{BASE}/send/m?chatbotId=bot")
    assert (answer.status_code, answer.json()["data"]["reason"]) == (200, "scheduled")
