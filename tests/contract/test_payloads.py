"""Every webhook body of `payloads/`: ingress cuts it into its facts, and conversation understands each of them."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from conversation_builders import FakeRecord

from common.contracts import topics, webhooks
from common.contracts.envelope import decode, decoder
from common.contracts.ids import random_id
from common.contracts.messages import IncomingMessage, MessageStatus
from common.security.callbacks import Callbacks
from common.security.digests import DigestKeys
from conversation.batch.core import plan
from conversation.batch.facts import ChangeSeen, Inbound, Poison, StatusSeen, read
from conversation.batch.working_set import Known
from ingress.parsing.core import _cut_body, _cut_plain, cut
from ingress.records import records
from ingress.telemetry import begin

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
PAYLOADS = sorted((Path(__file__).parent / "payloads").glob("*.json"))
BOTS = {"200000000000001": "bot"}
CALLBACKS = Callbacks(DigestKeys({"test": b"c" * 32}, "test"))
READ_AS = {webhooks.MESSAGE: Inbound, webhooks.STATUS: StatusSeen, webhooks.CHANGE: ChangeSeen}
received = decoder(webhooks.WebhookReceived)

every_payload = pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)


def expected(body):
    """What a body says, as Meta documents it: (record type, JSON, key, wamid) of each of its facts."""
    for entry in json.loads(body)["entry"]:
        for change in entry["changes"]:
            yield from expected_of_change(change, str(entry.get("id", "unknown")))


def expected_of_change(change, account):
    value = change["value"]
    fields = value if isinstance(value, dict) else {}
    number = (fields.get("metadata") or fields.get("recipient") or {}).get("phone_number_id")
    messages = fields.get("messages", []) if change["field"] == "messages" else []
    statuses = fields.get("statuses", []) if change["field"] == "messages" else []
    for message in messages:
        yield webhooks.MESSAGE, message, key_of(number, account, fields, message, "from", "from_user_id"), message["id"]
    for status in statuses:
        yield (
            webhooks.STATUS,
            status,
            key_of(number, account, fields, status, "recipient_id", "recipient_user_id"),
            status["id"],
        )
    if fields.get("errors") or not messages + statuses or says_more(fields):
        yield webhooks.CHANGE, value, number or account, None


def says_more(fields):
    """Whether a value says more than its messages, its statuses, and who its contacts are."""
    known = {"messaging_product", "metadata", "contacts", "messages", "statuses", "errors"}
    person = {"profile", "wa_id", "user_id", "parent_user_id"}
    return bool(set(fields) - known) or any(set(contact) - person for contact in fields.get("contacts", []))


def key_of(number, account, fields, item, phone, user):
    """A group's id, else a person's business-scoped id, else their phone number; beside the business number.

    Where the item has the phone number alone, `contacts` may know the business-scoped id.
    """
    group = item.get("group_id") or (item.get("recipient_type") == "group" and item["recipient_id"])
    listed = (
        contact.get("user_id") for contact in fields.get("contacts", []) if contact.get("wa_id") == item.get(phone)
    )
    names = [("g", group), ("u", item.get(user) or next(listed, None)), ("p", item.get(phone))]
    name = next((f":{kind}:{name}" for kind, name in names if name), "")
    return number + name if number else account


def consumed(body):
    """The records of a body as conversation consumes them."""
    return [
        FakeRecord(record.value, topic=record.topic, key=record.key.encode(), headers=tuple(record.headers))
        for record in records(body, begin(random_id(), None), now=NOW)
    ]


def test_the_folder_has_the_payloads():
    assert len(PAYLOADS) >= 100


@every_payload
def test_a_body_is_cut_into_exactly_its_facts(path):
    body = path.read_bytes()
    facts = cut(body, body_id="b1", now=NOW)
    found = [(fact.type, json.loads(bytes(fact.data.raw)), fact.key, fact.data.wamid) for fact in facts]
    assert found == list(expected(body))


@every_payload
def test_the_plain_way_of_cutting_finds_what_the_careful_one_does(path):
    body = path.read_bytes()
    careful = list(_cut_body(body, NOW))
    assert _cut_plain(body, NOW) in ([], careful)


def test_messages_and_statuses_are_plain():
    bodies = {path.stem: path.read_bytes() for path in PAYLOADS if path.stem.startswith(("message-", "status-"))}
    assert len(bodies) >= 50
    assert [name for name, body in bodies.items() if not _cut_plain(body, NOW)] == ["message-phone-only"]  # with a hash


@every_payload
def test_fragments_are_byte_for_byte_what_meta_wrote(path):
    body = path.read_bytes()
    facts = cut(body, body_id="b1", now=NOW)
    assert all(bytes(fact.data.raw) in body for fact in facts)
    # and so they still are in the value of the Kafka record
    values = [record.value for record in records(body, begin(random_id(), None), now=NOW)]
    assert all(bytes(fact.data.raw) in value for fact, value in zip(facts, values, strict=True))


@every_payload
def test_every_fact_says_how_it_arrived(path):
    body = path.read_bytes()
    arrivals = [fact.data.arrival for fact in cut(body, body_id="b1", now=NOW)]
    assert arrivals == [
        webhooks.Arrival(body_id="b1", body_bytes=len(body), position=i, count=len(arrivals))
        for i in range(len(arrivals))
    ]


@every_payload
def test_a_body_that_comes_again_has_the_same_ids(path):
    body = path.read_bytes()
    first, again = (cut(body, body_id=name, now=now) for name, now in (("b1", NOW), ("b2", datetime.now(UTC))))
    assert [fact.id for fact in first] == [fact.id for fact in again]
    assert len({fact.id for fact in first}) == len(first)


def test_no_two_facts_of_different_bodies_have_one_id():
    ids = Counter(fact.id for path in PAYLOADS for fact in cut(path.read_bytes(), body_id="b1", now=NOW))
    assert [name for name, count in ids.items() if count > 1] == []


@every_payload
def test_the_times_are_metas(path):
    body = path.read_bytes()
    for fact in cut(body, body_id="b1", now=NOW):
        if fact.type != webhooks.CHANGE:
            written = int(json.loads(bytes(fact.data.raw))["timestamp"])
            assert int(fact.occurred_at.timestamp()) in (written, written // 1000)
        elif fact.data.entry_time is not None:
            assert fact.occurred_at.timestamp() == fact.data.entry_time


@every_payload
def test_conversation_reads_every_record(path):
    for record in consumed(path.read_bytes()):
        fact = read(record, CALLBACKS)
        assert not isinstance(fact, Poison), fact.reason
        assert type(fact) is READ_AS[decode(received, record.value).type]


@every_payload
@pytest.mark.parametrize("chatbots", [BOTS, {}], ids=["account", "no account"])
def test_conversation_publishes_one_event_for_each_message_and_status(path, chatbots):
    body = path.read_bytes()
    done = plan([read(record, CALLBACKS) for record in consumed(body)], Known(), chatbots, NOW)
    events = [pending.record(NOW) for pending in done.events]
    wanted = [(kind, raw, wamid) for kind, raw, _, wamid in expected(body) if kind != webhooks.CHANGE]
    assert [published(event) for event in events] == [summary(*item) for item in wanted]
    assert len(done.webhook_events) == len(list(expected(body)))


def published(event):
    """What an event says, in the shape of `summary`."""
    if event.topic == topics.INCOMING_MESSAGES.name:
        data = decode(decoder(IncomingMessage), event.value).data
        return webhooks.MESSAGE, data.wamid, data.message_type, msgspec.json.decode(data.message)
    data = decode(decoder(MessageStatus), event.value).data
    return webhooks.STATUS, data.wamid, data.status, None


def summary(kind, raw, wamid):
    return (kind, wamid, raw["type"], raw) if kind == webhooks.MESSAGE else (kind, wamid, raw["status"], None)
