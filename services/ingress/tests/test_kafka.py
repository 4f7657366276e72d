"""Ingress as it is built, on real Kafka, and with Kafka away."""

import asyncio
import json
import time
import uuid
from contextlib import asynccontextmanager

import httpx
import pytest

from common.contracts import webhooks
from common.contracts.envelope import decode, decoder
from common.contracts.topics import WEBHOOKS
from common.errors import InvalidInput
from common.kafka.clients import make_reader
from common.kafka.records import read_headers
from common.security.signature import signature_of
from ingress.app import build_app
from ingress.routes import MAX_BODY_BYTES, PATH
from ingress.settings import Settings
from local_stack import LocalStackError

pytestmark = pytest.mark.integration

SECRET, TOKEN = "fake-app-secret", "fake-verify-token"
AWAY = "127.0.0.1:1"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def settings_of(bootstrap):
    return Settings(kafka_bootstrap_servers=bootstrap, whatsapp_app_secrets=SECRET, whatsapp_verify_token=TOKEN)


def client_of(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ingress.invalid")


@pytest.fixture
def settings(kafka_bootstrap):
    return settings_of(kafka_bootstrap)


@asynccontextmanager
async def ready_client(settings):
    """Ingress, once it is ready. No fixture: Litestar's lifespan wants to end in the task that began it."""
    app = build_app(settings)
    async with app.lifespan(), client_of(app) as client:
        async with asyncio.timeout(30):
            while (await client.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0.02)
        yield client


def signed(body):
    return {"x-hub-signature-256": signature_of(body, SECRET.encode()).decode(), "traceparent": TRACEPARENT}


def body_of(*wamids):
    messages = b",".join(
        rb'{ "id":"%s", "from":"15551230001","timestamp":"1793525400","type":"text","text":{"body":"h\u00e4user 1\/2"}}'
        % wamid.encode()
        for wamid in wamids
    )
    return (
        b'{"object":"whatsapp_business_account","entry":[{"id":"100000000000001","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"200000000000001"},"messages":[%s]}}]}]}'
        % messages
    )


_received = decoder(webhooks.WebhookReceived)


def event_of(record):
    """The event; None for what other tests put on the topic on purpose."""
    try:
        return decode(_received, record.value)
    except InvalidInput:
        return None


async def stored(settings, wanted, count):
    """The first `count` records for which `wanted(event)` holds, in the order of their partitions."""
    reader, found = make_reader(settings, WEBHOOKS.name), []
    await reader.start()
    try:
        async with asyncio.timeout(20):
            while len(found) < count:
                for batch in (await reader.getmany(timeout_ms=200)).values():
                    found += [(record, event) for record in batch if (event := event_of(record)) and wanted(event)]
    finally:
        await reader.stop()
    return found


@pytest.mark.feature("webhook")
async def test_what_was_answered_200_is_on_kafka_byte_for_byte(settings):
    async with ready_client(settings) as client:
        wamids = [f"wamid.FAKE-{uuid.uuid4()}" for _ in range(3)]
        body = body_of(*wamids)
        response = await client.post(PATH, content=body, headers=signed(body))
        assert response.status_code == 200
        found = await stored(settings, lambda event: event.data.wamid in wamids, 3)
        assert [event.data.wamid for _, event in found] == wamids  # one person: one partition, in Meta's order
        assert len({record.partition for record, _ in found}) == 1
        for record, event in found:
            assert bytes(event.data.raw) in body
            assert bytes(event.data.raw) in record.value
            assert record.key == b"200000000000001:p:15551230001"
            headers = read_headers(record.headers)
            assert headers["traceparent"].split("-")[1] == TRACEPARENT.split("-")[1]
            assert (headers["event-id"], headers["event-type"], headers["content-type"]) == (
                event.id,
                webhooks.MESSAGE,
                "application/json",
            )
            assert headers["correlation-id"] == event.correlation_id
            assert SECRET not in record.value.decode()


async def test_a_body_that_comes_again_is_stored_again_with_the_same_ids(settings):
    async with ready_client(settings) as client:
        wamid = f"wamid.FAKE-{uuid.uuid4()}"
        body = body_of(wamid)
        for _ in range(2):
            assert (await client.post(PATH, content=body, headers=signed(body))).status_code == 200
        found = await stored(settings, lambda event: event.data.wamid == wamid, 2)
        assert len({event.id for _, event in found}) == 1
        assert len({event.data.arrival.body_id for _, event in found}) == 2


async def test_the_largest_message_fits(settings):
    async with ready_client(settings) as client:
        wamid = f"wamid.FAKE-{uuid.uuid4()}"
        body = body_of(wamid)
        body = body.replace(b"1\\/2", b"x" * (MAX_BODY_BYTES - len(body) + 4))
        assert len(body) == MAX_BODY_BYTES
        assert (await client.post(PATH, content=body, headers=signed(body))).status_code == 200
        ((record, event),) = await stored(settings, lambda event: event.data.wamid == wamid, 1)
        assert bytes(event.data.raw) in body
        assert len(record.value) > MAX_BODY_BYTES - 1000


async def test_the_largest_body_that_is_no_json_fits(settings):
    async with ready_client(settings) as client:
        body = uuid.uuid4().bytes + b"\xff" * (MAX_BODY_BYTES - 16)
        response = await client.post(PATH, content=body, headers=signed(body))
        assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("long", "kinds"),
    [
        ("id", [webhooks.UNPARSED]),
        ("from", [webhooks.MESSAGE]),
        ("phone_number_id", [webhooks.CHANGE, webhooks.MESSAGE]),
    ],
)
async def test_an_id_that_is_too_long_is_stored_with_its_fragment(settings, long, kinds):
    async with ready_client(settings) as client:
        mark, after = (f"wamid.FAKE-{uuid.uuid4()}" for _ in range(2))
        filled = mark + "x" * 2_700_000
        message = {"id": mark, "from": "15551230001", "type": "text"}
        value = {"metadata": {"phone_number_id": "200000000000001"}, "messages": [message]}
        change = {"field": "messages", "value": value}
        next(part for part in (message, value["metadata"]) if long in part)[long] = filled
        body = json.dumps({"entry": [{"id": "100000000000001", "changes": [change]}]}).encode()
        assert (await client.post(PATH, content=body, headers=signed(body))).status_code == 200
        assert (await client.post(PATH, content=body_of(after), headers=signed(body_of(after)))).status_code == 200
        found = await stored(
            settings, lambda e: e.data.wamid == after or mark.encode() in bytes(e.data.raw), 1 + len(kinds)
        )
    events = [event for _, event in found if event.data.wamid != after]
    assert sorted(event.type for event in events) == kinds
    assert any(filled.encode() in bytes(event.data.raw) for event in events)


async def test_a_refused_body_is_not_on_kafka(settings):
    async with ready_client(settings) as client:
        refused, taken = (f"wamid.FAKE-{uuid.uuid4()}" for _ in range(2))
        assert (await client.post(PATH, content=body_of(refused), headers=signed(b"another"))).status_code == 400
        assert (await client.post(PATH, content=body_of(taken), headers=signed(body_of(taken)))).status_code == 200
        seen = await stored(settings, lambda event: event.data.wamid in {refused, taken}, 1)
        assert [event.data.wamid for _, event in seen] == [taken]  # the later one, in the same partition, is the first


async def test_the_endpoint_is_documented(settings):
    async with ready_client(settings) as client:
        schema = json.loads((await client.get("/whatsapp-cloud/docs/ingress/openapi.json")).text)
        assert set(schema["paths"][PATH]) == {"get", "post"}


@pytest.mark.feature("webhook")
async def test_while_kafka_is_away_meta_is_told_in_time_to_come_again():
    app = build_app(settings_of(AWAY))
    async with app.lifespan(), client_of(app) as client:
        started = time.monotonic()
        response = await client.post(PATH, content=body_of("wamid.FAKE"), headers=signed(body_of("wamid.FAKE")))
        assert time.monotonic() - started < 5
        assert (response.status_code, response.json()["error"]["code"]) == (503, "kafka_unavailable")
        assert response.headers["retry-after"]
        assert (await client.get("/health/ready")).status_code == 503


@asynccontextmanager
async def frozen(stack):
    """Kafka takes connections and answers nothing; it goes on in the end, for the other tests too."""
    try:
        kafka = stack.kafka
    except LocalStackError:
        pytest.skip("the Kafka of KAFKA_BOOTSTRAP_SERVERS is not ours to pause")
    kafka.pause()
    try:
        yield
    finally:
        kafka.resume()


@pytest.mark.feature("webhook")
async def test_when_kafka_stops_answering_meta_is_told_in_time_and_a_repeat_is_stored(local_stack, settings):
    wamid = f"wamid.FAKE-{uuid.uuid4()}"
    body = body_of(wamid)
    async with ready_client(settings) as client:
        async with frozen(local_stack):
            started = time.monotonic()
            posts = (client.post(PATH, content=body, headers=signed(body)) for _ in range(3))
            assert [answer.status_code for answer in await asyncio.gather(*posts)] == [503] * 3
            assert time.monotonic() - started < 5
        async with asyncio.timeout(30):  # Meta's patience is days
            while (await client.post(PATH, content=body, headers=signed(body))).status_code != 200:
                await asyncio.sleep(0.1)
        found = await stored(settings, lambda event: event.data.wamid == wamid, 1)
        assert len({event.id for _, event in found}) == 1


@pytest.mark.feature("verification")
async def test_verification_by_the_apps_token_needs_no_kafka():
    app = build_app(settings_of(AWAY))
    async with app.lifespan(), client_of(app) as client:
        params = {"hub.mode": "subscribe", "hub.verify_token": TOKEN, "hub.challenge": "0042"}
        response = await client.get(PATH, params=params)
        assert (response.status_code, response.text) == (200, "0042")
        response = await client.get(PATH, params=params | {"hub.verify_token": "fake-wrong-token"})
        assert response.status_code == 403
