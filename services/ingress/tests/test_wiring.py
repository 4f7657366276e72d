"""Ingress as it is built: who is asked whether it is ready, what the settings decide, and in which order it all ends."""

import base64
import json
from datetime import UTC, datetime

import httpx
import pytest

from common.contracts import webhooks
from common.contracts.accounts import ACTIVE, AccountData, KeyedDigest, TokenDigest
from common.contracts.envelope import decode, decoder
from common.contracts.topics import ACCOUNTS, WEBHOOKS
from common.security.digests import DigestKeys
from common.security.signature import signature_of
from common.security.verify_tokens import sign_token
from ingress import app as module
from ingress import records
from ingress.app import build_fast_path
from ingress.parsing.core import cut
from ingress.routes import MAX_BODY_BYTES, PATH
from ingress.settings import Settings

KEY = b"v" * 32
SECRETS = ("fake-new-secret", "fake-old-secret")
TOKEN = "fake-verify-token"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
BODY = b'{"entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"2"},"messages":[{"id":"wamid.1","from":"3"}]}}]}]}'
received = decoder(webhooks.WebhookReceived)


class Publisher:
    """Stands in for the publishers, and says what was done to them: `made` is that of small bodies, `large` of large."""

    made = large = None

    def __init__(self, settings, *, timeout_seconds=None):
        if Publisher.made is None:
            Publisher.made = self
        else:
            Publisher.large = self
        self.bootstrap, self.seconds = settings.kafka_bootstrap_servers, timeout_seconds
        self.published, self.answers, self.error = [], True, None

    async def start(self):
        STEPS.append("start publisher")

    async def stop(self):
        STEPS.append("stop publisher")

    async def reachable(self):
        return self.answers

    async def publish(self, records):
        if self.error is not None:
            raise self.error
        self.published.extend(records)


class Table:
    made = None

    def __init__(self, settings, topic, decode, changed):
        Table.made = self
        self.changed = changed
        self.bootstrap, self.topic, self.decode = settings.kafka_bootstrap_servers, topic, decode
        self.ready = True

    async def start(self):
        STEPS.append("start accounts")

    async def stop(self):
        STEPS.append("stop accounts")

    async def catch_up(self, _seconds):
        return False


STEPS = []


@pytest.fixture
def front(monkeypatch):
    STEPS.clear()
    Publisher.made = Publisher.large = None
    monkeypatch.setattr(module, "Publisher", Publisher)
    monkeypatch.setattr(module, "Table", Table)
    return build_fast_path(
        Settings(
            kafka_bootstrap_servers="kafka.invalid:9",
            whatsapp_app_secrets=",".join(SECRETS),
            whatsapp_verify_token=TOKEN,
            publish_timeout_seconds=1.5,
            verify_digest_keys={"fake": base64.b64encode(KEY).decode()},
        )
    )


@pytest.fixture
async def client(front):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://test") as client:
        yield client


async def deliver(client, body, secret=SECRETS[0]):
    return await client.post(
        PATH, content=body, headers={"x-hub-signature-256": signature_of(body, secret.encode()).decode()}
    )


async def test_it_is_ready_when_kafka_answers_and_accounts_are_read(client):
    for kafka, accounts in [(True, True), (False, True), (True, False), (False, False)]:
        Publisher.made.answers, Table.made.ready = kafka, accounts
        answer = await client.get("/health/ready")
        assert answer.json()["checks"] == {"kafka": kafka, "accounts": accounts}
        assert answer.status_code == (200 if kafka and accounts else 503)


async def test_it_is_alive_whatever_is_away(client):
    Publisher.made.answers = Table.made.ready = False
    assert (await client.get("/health/live")).status_code == 200


async def test_the_settings_decide(client):
    assert (Publisher.made.bootstrap, Table.made.bootstrap) == ("kafka.invalid:9", "kafka.invalid:9")
    assert Publisher.made.seconds == Publisher.large.seconds == 1.5
    assert Table.made.topic == ACCOUNTS.name


@pytest.mark.parametrize("secret", SECRETS)
async def test_every_secret_signs(client, secret):
    assert (await deliver(client, BODY, secret)).status_code == 200
    assert [record.topic for record in Publisher.made.published] == [WEBHOOKS.name]


async def test_the_token_of_the_app_and_those_of_accounts_verify(client):
    digest = TokenDigest.of("fake-older-token", "fake-salt")
    key, hmac = sign_token(DigestKeys({"fake": KEY}, "fake"), "fake-account-token")
    about = {"phone_number_id": "2", "status": ACTIVE, "revision": 1}
    Table.made.changed("older", AccountData(chatbot_id="older", verify_token=digest, **about))
    Table.made.changed("b", AccountData(chatbot_id="b", verify_digest=KeyedDigest(key=key, hmac=hmac), **about))
    known = [(TOKEN, 200), ("fake-older-token", 200), ("fake-account-token", 200)]
    for token, status in [*known, ("fake-other-token", 403)]:
        params = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1"}
        assert (await client.get(PATH, params=params)).status_code == status


async def test_kafka_is_left_last(front):
    async with front.app.lifespan():
        assert STEPS == ["start publisher", "start publisher", "start accounts"]
    assert STEPS[3:] == ["stop accounts", "stop publisher", "stop publisher"]


async def test_what_is_not_signed_is_not_read(client, monkeypatch):
    looked = []

    def looks(*arguments, **more):
        looked.append(arguments)
        return cut(*arguments, **more)

    monkeypatch.setattr(records, "cut", looks)
    assert (await deliver(client, BODY, "fake-other-secret")).status_code == 400
    assert not looked
    assert (await deliver(client, BODY)).status_code == 200
    assert len(looked) == 1


async def test_a_mistake_of_ours_is_answered_so_that_meta_comes_again(client, caplog):
    Publisher.made.error = RuntimeError("fake-secret-in-a-message")
    answer = await deliver(client, BODY)
    assert (answer.status_code, answer.json()["success"], answer.json()["error"]["code"]) == (
        500,
        False,
        "internal_error",
    )
    assert "fake-secret" not in answer.text
    assert "a webhook could not be stored" in caplog.text


def check_kept(found, message):
    """Every record fits into its topic, and one has the message as it was."""
    for record in found:
        assert len(record.key.encode()) + len(record.value) <= WEBHOOKS.max_value_bytes
    kept = [bytes(decode(received, record.value).data.raw) for record in found]
    assert json.dumps(message).encode() in kept


@pytest.mark.parametrize("long", ["id", "from", "phone_number_id", "field"])
async def test_every_record_of_a_signed_body_fits_kafka_however_long_its_ids_are(client, long):
    message = {"id": "wamid.1", "from": "15551230001", "type": "text"}
    value = {"metadata": {"phone_number_id": "2"}, "messages": [message]}
    change = {"field": "messages", "value": value}
    next(part for part in (message, value["metadata"], change) if long in part)[long] = "x" * 2_700_000
    body = json.dumps({"entry": [{"id": "1", "changes": [change]}]}).encode()
    assert len(body) < MAX_BODY_BYTES
    assert (await deliver(client, body)).status_code == 200
    check_kept(Publisher.large.published, message)


@pytest.mark.parametrize(
    "parts", [("id",), ("id", "from"), ("id", "phone_number_id"), ("id", "from", "phone_number_id")]
)
async def test_long_ids_together_do_not_make_a_record_too_large_either(client, parts):
    message = {"id": "wamid.1", "from": "15551230001", "type": "text"}
    number = {"phone_number_id": "2", "display_phone_number": "3"}
    change = {"field": "messages", "value": {"metadata": number, "messages": [message]}}
    for name in parts:
        next(part for part in (message, number) if name in part)[name] = "x" * (2_900_000 // len(parts))
    body = json.dumps({"entry": [{"id": "1", "changes": [change]}]}).encode()
    assert (await deliver(client, body)).status_code == 200
    check_kept(Publisher.large.published, message)


async def test_a_small_body_does_not_unfold_to_many_megabytes(client):
    """An id of control characters takes six bytes for each, and stands beside each message."""
    long = "\x01" * 256
    messages = [{"id": f"wamid.{n}", "from": "3"} for n in range(1_000)]
    value = change(metadata={"phone_number_id": "2", "display_phone_number": long}, messages=messages)
    body = json.dumps({"entry": [{"id": long, "changes": [value]}]}).encode()
    assert (await deliver(client, body)).status_code == 200
    (record,) = Publisher.large.published
    data = decode(received, record.value).data
    assert bytes(data.raw) == body
    assert "many times as long" in data.reason


async def test_a_long_name_beside_many_messages_is_told_once(client):
    people = [{"wa_id": "3", "profile": {"name": "\x01" * 1024, "username": "\x01" * 1024}}]
    messages = [{"id": f"wamid.{n}", "from": "3"} for n in range(1_000)]
    body = json.dumps({"entry": [{"id": "1", "changes": [change(contacts=people, messages=messages)]}]}).encode()
    assert (await deliver(client, body)).status_code == 200
    told = [decode(received, record.value).data for record in Publisher.large.published]
    assert [data.wamid for data in told] == [message["id"] for message in messages]
    assert [data.contact.name for data in told] == ["\x01" * 1024] + [None] * 999
    assert sum(len(record.value) for record in Publisher.large.published) < 2 * len(body) + 2 * 1024 * 1_000


def facts(*changes, **entry):
    body = {"entry": [{"id": "WABA", "time": 1793525400, "changes": list(changes), **entry}]}
    return cut(json.dumps(body).encode(), body_id="b", now=NOW)


def change(**value):
    return {"field": "messages", "value": {"metadata": {"phone_number_id": "2"}, **value}}


def test_what_is_about_one_person_has_one_key_and_what_is_about_the_number_another():
    message = {"id": "wamid.1", "from": "491", "from_user_id": "DE.1"}
    status = {"id": "wamid.2", "status": "sent", "recipient_id": "491", "recipient_user_id": "DE.1"}
    other = {"id": "wamid.3", "from": "492"}
    keys = [fact.key for fact in facts(change(messages=[message, other], statuses=[status]))]
    assert keys == ["2:u:DE.1", "2:p:492", "2:u:DE.1"]
    security = {"field": "security", "value": {"metadata": {"phone_number_id": "2"}}}
    (about_number,) = facts(security)
    (about_account,) = facts({"field": "account_update", "value": {}})
    assert (about_number.key, about_account.key) == ("2", "WABA")


def test_statuses_of_a_groups_participants_are_different_facts():
    one = {"id": "wamid.1", "status": "read", "recipient_id": "G", "recipient_type": "group"}
    found = facts(change(statuses=[{**one, "recipient_participant_user_id": who} for who in ("DE.1", "DE.2")]))
    assert len({fact.id for fact in found}) == 2


def test_an_error_beside_a_message_is_kept():
    message = {"id": "wamid.1", "from": "491"}
    found = facts(change(messages=[message], errors=[{"code": 130429}]))
    assert [fact.type for fact in found] == [webhooks.MESSAGE, webhooks.CHANGE]
    assert b"130429" in bytes(found[1].data.raw)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"entry":[]}', b'{"entry":[{"id":"1","changes":[]}]}', b'{"entry":[{"id":"1"}]}', b"\xff"],
)
def test_a_body_that_says_nothing_is_kept(body):
    (fact,) = cut(body, body_id="b", now=NOW)
    kept = fact.data.raw_base64
    assert fact.type == webhooks.UNPARSED
    assert (base64.b64decode(kept) if kept is not None else bytes(fact.data.raw)) in body
    assert fact.data.reason
