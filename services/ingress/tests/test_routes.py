"""The webhook endpoint as Meta sees it, with a stand-in for Kafka."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest
from litestar import Litestar, asgi

from common.contracts import webhooks
from common.contracts.accounts import ACTIVE, DEACTIVATED, AccountData, KeyedDigest
from common.contracts.envelope import decode, decoder
from common.contracts.ids import random_id
from common.contracts.topics import WEBHOOKS
from common.errors import Unavailable
from common.kafka.records import read_headers
from common.security.digests import DigestKeys
from common.security.signature import signature_of
from common.security.verify_tokens import sign_token
from ingress.records import records
from ingress.routes import MAX_BODY_BYTES, PATH, Verification, WebhookRoute
from ingress.telemetry import begin
from ingress.verify.tokens import VerifyTokens

SECRET = "fake-app-secret"
APP_TOKEN = "fake-app-verify-token"
BODY = b'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"2"},"messages":[{"id":"wamid.FAKE-1","from":"3"},{"id":"wamid.FAKE-2","from":"3"}]}}]}]}'
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
received = decoder(webhooks.WebhookReceived)


class Kafka:
    """A stand-in for the publisher: `allow` is cleared to hold an acknowledgement back, `error` is raised."""

    def __init__(self):
        self.published, self.asked, self.allow, self.error = [], asyncio.Event(), asyncio.Event(), None
        self.allow.set()

    async def publish(self, batch):
        self.asked.set()
        await self.allow.wait()
        if self.error is not None:
            raise self.error
        self.published.extend(batch)


KEYS = DigestKeys({"v1": b"1" * 32, "v2": b"2" * 32}, "v2")


class Accounts(VerifyTokens):
    """The index, with a stand-in for the table: what is in `coming` is known after catching up."""

    def __init__(self):
        super().__init__(KEYS, self._read)
        self.coming, self.reachable = [], True

    def add(self, *accounts):
        for account in accounts:
            self.changed(f"bot-{random_id()}", account)

    async def _read(self, seconds):
        assert 0 < seconds < 5
        if self.reachable:
            self.add(*self.coming)
        return self.reachable


def account(token, status=ACTIVE):
    digest = KeyedDigest(**dict(zip(("key", "hmac"), sign_token(KEYS, token), strict=True))) if token else None
    return AccountData(chatbot_id="bot", phone_number_id="2", status=status, revision=1, verify_digest=digest)


@pytest.fixture
def kafka():
    return Kafka()


@pytest.fixture
def accounts():
    return Accounts()


def client_of(route):
    transport = httpx.ASGITransport(Litestar([asgi(PATH, copy_scope=False)(route.__call__)], openapi_config=None))
    return httpx.AsyncClient(transport=transport, base_url="http://ingress.invalid")


@pytest.fixture
async def client(kafka, accounts):
    async with client_of(WebhookRoute([SECRET], kafka.publish, Verification(APP_TOKEN, accounts))) as client:
        yield client


def signed(body, **more):
    return {"x-hub-signature-256": signature_of(body, SECRET.encode()).decode(), **more}


@pytest.mark.feature("webhook")
async def test_a_signed_body_is_answered_200_only_when_it_is_stored(client, kafka):
    kafka.allow.clear()
    answer = asyncio.create_task(client.post(PATH, content=BODY, headers=signed(BODY)))
    await asyncio.wait_for(kafka.asked.wait(), 5)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not answer.done()
    kafka.allow.set()
    response = await answer
    assert (response.status_code, response.json()) == (200, {"success": True})
    assert [decode(received, record.value).data.wamid for record in kafka.published] == ["wamid.FAKE-1", "wamid.FAKE-2"]


@pytest.mark.feature("webhook")
async def test_meta_comes_again_when_kafka_does_not_confirm(client, kafka):
    kafka.error = Unavailable("Kafka did not confirm in time; try again", code="kafka_unavailable")
    response = await client.post(PATH, content=BODY, headers=signed(BODY))
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert response.json() == {
        "success": False,
        "error": {"code": "kafka_unavailable", "message": "Kafka did not confirm in time; try again"},
    }


async def test_a_signed_body_that_is_no_json_is_taken(client, kafka):
    response = await client.post(PATH, content=b"\xffnonsense", headers=signed(b"\xffnonsense"))
    assert response.status_code == 200
    assert [decode(received, record.value).type for record in kafka.published] == [webhooks.UNPARSED]


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-hub-signature-256": ""}, {"x-hub-signature-256": "sha256=" + "0" * 64}, signed(BODY + b" ")],
    ids=["missing", "empty", "wrong", "of another body"],
)
async def test_an_unsigned_body_is_refused_and_not_stored(client, kafka, headers):
    response = await client.post(PATH, content=BODY, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_signature")
    assert not kafka.asked.is_set()


async def test_without_a_secret_every_body_is_refused(kafka, accounts):
    async with client_of(WebhookRoute([], kafka.publish, Verification(APP_TOKEN, accounts))) as client:
        response = await client.post(PATH, content=BODY, headers=signed(BODY))
    assert response.status_code == 400
    assert not kafka.asked.is_set()


async def test_both_secrets_of_a_rotation_are_valid(kafka, accounts):
    async with client_of(
        WebhookRoute(["fake-new-secret", SECRET], kafka.publish, Verification(None, accounts))
    ) as client:
        for secret in ("fake-new-secret", SECRET):
            headers = {"x-hub-signature-256": signature_of(BODY, secret.encode()).decode()}
            assert (await client.post(PATH, content=BODY, headers=headers)).status_code == 200


async def in_parts(*parts):
    for part in parts:
        yield part


async def test_a_body_in_parts_is_one_body(client, kafka):
    response = await client.post(PATH, content=in_parts(BODY[:10], b"", BODY[10:50], BODY[50:]), headers=signed(BODY))
    assert response.status_code == 200
    assert len(kafka.published) == 2


async def test_the_largest_body_is_taken(client, kafka):
    body = BODY + b" " * (MAX_BODY_BYTES - len(BODY))
    assert (await client.post(PATH, content=body, headers=signed(body))).status_code == 200
    assert len(kafka.published) == 2


async def test_a_body_that_says_it_is_too_large_is_not_read(client, kafka):
    read = []

    async def parts():
        read.append(True)
        yield BODY

    response = await client.post(
        PATH, content=parts(), headers=signed(BODY, **{"content-length": str(MAX_BODY_BYTES + 1)})
    )
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    assert not read


async def test_a_body_that_turns_out_too_large_is_read_no_further(client, kafka):
    read = []

    async def parts():
        for _ in range(64):
            read.append(True)
            yield b" " * (256 * 1024)

    response = await client.post(PATH, content=parts(), headers=signed(BODY))
    assert response.status_code == 413
    assert len(read) == MAX_BODY_BYTES // (256 * 1024) + 1
    assert not kafka.asked.is_set()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def test_other_methods_are_refused(client, kafka, method):
    response = await client.request(method, PATH, content=BODY, headers=signed(BODY))
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    assert not kafka.asked.is_set()


async def test_a_client_that_goes_away_stores_nothing(kafka, accounts):
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    route = WebhookRoute([SECRET], kafka.publish, Verification(APP_TOKEN, accounts))
    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(b"x-hub-signature-256", signature_of(BODY, SECRET.encode()))],
    }
    await route(scope, receive, send)
    assert sent[0]["status"] == 400
    assert not kafka.asked.is_set()


def challenge(token, mode="subscribe", text="1158201444"):
    return {"hub.mode": mode, "hub.verify_token": token, "hub.challenge": text}


@pytest.mark.feature("verification")
@pytest.mark.parametrize("text", ["1158201444", "not-a-number", "007", "<script>alert(1)</script>", "a b+c&d=ä", ""])
async def test_the_apps_token_is_known_and_the_challenge_echoed(client, text):
    response = await client.get(PATH, params=challenge(APP_TOKEN, text=text))
    assert (response.status_code, response.text) == (200, text)
    assert response.headers["content-type"].startswith("text/plain")


@pytest.mark.feature("verification")
async def test_an_accounts_token_is_known(client, accounts):
    accounts.add(account(None), account("fake-first-token"), account("fake-second-token"))
    response = await client.get(PATH, params=challenge("fake-second-token"))
    assert (response.status_code, response.text) == (200, "1158201444")


@pytest.mark.feature("verification")
async def test_a_token_of_an_account_just_made_is_known(client, accounts):
    accounts.coming = [account("fake-new-token")]
    assert (await client.get(PATH, params=challenge("fake-new-token"))).status_code == 200


async def test_a_new_token_is_not_known_while_accounts_cannot_be_read(client, accounts):
    accounts.coming, accounts.reachable = [account("fake-new-token")], False
    assert (await client.get(PATH, params=challenge("fake-new-token"))).status_code == 403


REFUSED = {
    "wrong token": challenge("fake-wrong-token"),
    "token not ASCII": challenge("tökän"),
    "empty token": challenge(""),
    "wrong mode": challenge(APP_TOKEN, mode="unsubscribe"),
    "empty mode": challenge(APP_TOKEN, mode=""),
    "no mode": {"hub.verify_token": APP_TOKEN, "hub.challenge": "1"},
    "no token": {"hub.mode": "subscribe", "hub.challenge": "1"},
    "token of a deactivated account": challenge("fake-old-token"),
    "the digest itself": challenge(sign_token(KEYS, "fake-old-token")[1]),
    "nothing": {},
}


@pytest.mark.feature("verification")
@pytest.mark.parametrize("params", REFUSED.values(), ids=REFUSED)
async def test_anything_else_is_refused_without_an_echo(client, accounts, params):
    accounts.add(account("fake-old-token", DEACTIVATED), account(None))
    response = await client.get(PATH, params=params)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "forbidden")
    assert "1158201444" not in response.text


async def test_without_an_app_token_only_accounts_count(kafka, accounts):
    accounts.add(account("fake-account-token"))
    async with client_of(WebhookRoute([SECRET], kafka.publish, Verification(None, accounts))) as client:
        assert (await client.get(PATH, params=challenge(APP_TOKEN))).status_code == 403
        assert (await client.get(PATH, params=challenge("fake-account-token"))).status_code == 200


def test_the_records_of_a_body_share_its_trace_and_its_id():
    now = datetime(2026, 11, 1, tzinfo=UTC)
    first, second = records(BODY, begin(random_id(), TRACEPARENT.encode()), now=now)
    events = [decode(received, record.value) for record in (first, second)]
    headers = [read_headers(record.headers) for record in (first, second)]
    assert {record.topic for record in (first, second)} == {WEBHOOKS.name}
    assert len({event.causation_id for event in events} | {event.data.arrival.body_id for event in events}) == 1
    assert {h["traceparent"].split("-")[1] for h in headers} == {TRACEPARENT.split("-")[1]}
    assert len({h["traceparent"] for h in headers} | {TRACEPARENT}) == 3
    for event, header in zip(events, headers, strict=True):
        assert (header["event-id"], header["event-type"]) == (event.id, webhooks.MESSAGE)
        assert header["correlation-id"] == event.correlation_id
        assert header["content-type"] == "application/json"
        assert event.recorded_at == now


@pytest.mark.parametrize("given", [None, b"", b"nonsense", b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01", b"\xff\xfe"])
def test_a_trace_that_is_none_starts_a_new_one(given):
    traces = {
        read_headers(record.headers)["traceparent"].split("-")[1]
        for record in records(BODY, begin(random_id(), given), now=datetime.now(UTC))
    }
    assert len(traces) == 1
    assert traces.pop().strip("0")
