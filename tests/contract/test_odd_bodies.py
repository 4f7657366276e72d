"""From Meta's bytes to documents and events: whatever a field is, all that is kept can be stored and published."""

import base64
import copy
import json
from datetime import UTC, datetime

import pytest

from common.contracts import webhooks
from common.contracts.ids import random_id
from common.mongo import encoding_error
from common.security.callbacks import CallbackSettings
from conversation.batch.core import keys_of, plan
from conversation.batch.facts import Poison, read
from conversation.batch.working_set import Known
from conversation.number_events import number_records
from conversation.read_api.views import log_view, message_view
from ingress.records import records
from ingress.telemetry import begin

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
NUMBER, ADA = "200000000000001", "15551230001"
CALLBACKS = CallbackSettings(callback_keys={"test": base64.b64encode(b"c" * 32).decode()}).callbacks()
TORN = [rb"Hi \ud83d", rb"\udc00\ud83d", b"caf\xe9", b"\xed\xa0\x80 \\ud83d", rb"\\\ud83d\u0000"]
ANY = [
    None,
    True,
    17,
    -(2**70),
    1.5,
    1e300,
    "",
    "x",
    "17",
    "\0",
    "9" * 30,
    [],
    [17],
    [{}],
    {},
    {"$ref": 1, "a.b": "\0"},
]
BODY = {
    "entry": [
        {
            "id": "100000000000001",
            "time": 1793525400,
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "metadata": {"display_phone_number": "15550000001", "phone_number_id": NUMBER},
                        "contacts": [{"profile": {"name": "Ada", "username": "ada"}, "wa_id": ADA, "user_id": "US.A"}],
                        "messages": [
                            {
                                "id": "wamid.M",
                                "from": ADA,
                                "from_user_id": "US.A",
                                "timestamp": "1793525400",
                                "type": "text",
                                "text": {"body": "Hi"},
                                "context": {"id": "wamid.B"},
                                "referral": {"source_id": "1"},
                            },
                            {
                                "id": "wamid.Y",
                                "type": "system",
                                "system": {"type": "user_changed_number", "wa_id": "1", "previous_user_id": "US.P"},
                            },
                            {"id": "wamid.I", "from": ADA, "interactive": {"button_reply": {"id": "1", "title": "OK"}}},
                        ],
                        "statuses": [
                            {
                                "id": "wamid.S",
                                "status": "failed",
                                "timestamp": "1793525400",
                                "recipient_id": ADA,
                                "recipient_user_id": "US.A",
                                "recipient_participant_id": "1",
                                "biz_opaque_callback_data": "x",
                                "pricing": {"billable": True, "category": "service", "type": "regular"},
                                "errors": [{"code": 131026, "title": "t", "error_data": {"details": "d"}}],
                            }
                        ],
                    },
                },
                {"field": "phone_number_quality_update", "value": {"display_phone_number": "1", "event": "ONBOARDING"}},
            ],
        }
    ]
}


class Consumed:
    """A record of ingress as conversation consumes it."""

    topic, partition = "whatsapp-cloud-webhooks", 0

    def __init__(self, offset, record):
        self.offset, self.key, self.value = offset, record.key.encode(), record.value
        self.headers = tuple(record.headers)


def applied(body):
    """The plan of a body, after everything of it has been encoded as it is stored, published and shown."""
    consumed = [Consumed(n, record) for n, record in enumerate(records(body, begin(random_id(), None), now=NOW))]
    facts = [read(record, CALLBACKS) for record in consumed]
    assert not [fact for fact in facts if isinstance(fact, Poison)]
    keys_of(facts, {NUMBER: "bot"})
    done = plan(facts, Known(), {NUMBER: "bot"}, NOW)
    messages = [message.document for message in done.working.messages.values()]
    conversations = [conversation.document for conversation in done.working.conversations.values()]
    for document in (*messages, *conversations, *done.webhook_events, *done.usage):
        assert encoding_error(document) is None
    for event in (*(pending.record(NOW) for pending in done.events), *number_records(facts, NOW)):
        json.dumps(json.loads(event.value.decode()), ensure_ascii=False).encode()
    for shown in (*map(message_view, messages), *map(log_view, done.webhook_events)):
        json.dumps(shown, default=str, ensure_ascii=False).encode()
    return done


def paths(node, path=()):
    """Every place in a JSON value."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, value in inner:
        yield (*path, step)
        yield from paths(value, (*path, step))


def changed(path, value):
    body = copy.deepcopy(BODY)
    node = body
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return body


@pytest.mark.parametrize("path", list(paths(BODY)), ids=lambda path: ".".join(map(str, path)))
def test_whatever_a_field_is_all_can_be_stored_and_published(path):
    whole = len(applied(json.dumps(BODY).encode()).events)
    for odd in ANY:
        done = applied(json.dumps(changed(path, odd)).encode())
        if len(path) > 7:  # below a message or a status
            lost = path[7:] in (("id",), ("status",)) and not isinstance(odd, str | int | float)
            lost = lost or (path[7:] in (("id",), ("status",)) and (isinstance(odd, bool) or not str(odd).strip()))
            assert len(done.events) >= whole - lost, odd


@pytest.mark.parametrize("torn", TORN, ids=repr)
@pytest.mark.parametrize("path", list(paths(BODY)), ids=lambda path: ".".join(map(str, path)))
def test_wherever_a_text_is_torn_all_can_be_stored_and_published(path, torn):
    body = json.dumps(changed(path, "TORN")).encode().replace(b"TORN", torn)
    done = applied(body)
    if path[4:5] == ("value",) and len(path) > 7:
        assert len([event for event in done.webhook_events if event["type"] == webhooks.UNPARSED]) == 0
        assert len(done.events) == 4
