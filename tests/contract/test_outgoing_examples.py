"""Every kind of message that Meta documents arrives as it was given, in Meta's form and in the shorter one."""

import copy
import json
import random
from pathlib import Path

import jsonschema
import pytest
from outgoing_examples import EXAMPLES, MARKETING, OF_THE_FUTURE, READS

from common.contracts.outbound.envelope import KINDS, kind_of
from common.contracts.sends import SendRequest
from common.errors import InvalidInput
from graph_emulator.validation.message import check_message, check_read
from sender.delivery.payloads import edge_of, payload
from sender.records.job import Job, Position
from sender.records.parsing import parse, read_record

TO = "+4915112345678"
AT = Position("whatsapp-cloud-send", 2, 17)
AROUND = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": TO}
_SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "contracts" / "schemas" / "send-request.json"
SCHEMA = jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_text()))
ALIKE = {"contacts", "interactive", "template"}
KINDS_OF_META = {*KINDS, "context", "to", "messaging_product"}


def body_of(message, **more):
    return json.dumps({"chatbotId": "b", "to": TO, "message": message, **more}).encode()


def sent(request):
    return json.loads(payload(request, "callback")), edge_of(request)


def expected(example):
    return {**AROUND, "biz_opaque_callback_data": "callback", **example, "type": kind_of(example)}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_arrives_unchanged(name):
    request, _ = parse(body_of(EXAMPLES[name]))
    body, edge = sent(request)
    assert (body, edge) == (expected(EXAMPLES[name]), "messages")
    assert check_message(body) == kind_of(EXAMPLES[name])


@pytest.mark.parametrize("name", EXAMPLES)
def test_so_does_the_whole_body_of_a_call(name):
    whole = {**AROUND, "to": "49 151 12345678", **EXAMPLES[name]}
    assert sent(parse(body_of(whole))[0])[0] == expected(EXAMPLES[name])


@pytest.mark.parametrize("name", EXAMPLES)
def test_both_forms_are_one_from_the_door_on(name):
    """What is kept is the shorter form, and reading it again changes nothing."""
    example = EXAMPLES[name]
    request, kept = parse(body_of(example))
    kind = kind_of(example)
    assert kept["message"]["type"] == kind
    assert kind in ALIKE or KINDS_OF_META.isdisjoint(kept["message"])
    assert kept.get("replyTo") == example.get("context", {}).get("message_id")
    again, same = parse(json.dumps(kept).encode())
    assert same == kept
    assert sent(again) == sent(request)


@pytest.mark.parametrize("name", OF_THE_FUTURE)
def test_what_meta_may_add_goes_to_meta_as_it_is(name):
    """The emulator knows Meta as it is today, and need not take it."""
    request, _ = parse(body_of(OF_THE_FUTURE[name]))
    assert sent(request)[0] == expected(OF_THE_FUTURE[name])


@pytest.mark.parametrize("name", MARKETING)
def test_a_marketing_message_goes_by_its_own_api(name):
    request, kept = parse(body_of(MARKETING[name]))
    body, edge = sent(request)
    assert (body, edge) == (expected(MARKETING[name]), "marketing_messages")
    assert check_message(body) == "template"
    assert sent(parse(json.dumps(kept).encode())[0]) == (body, edge)


@pytest.mark.parametrize("name", READS)
def test_a_read_mark_arrives_unchanged(name):
    request, kept = parse(body_of(READS[name]))
    assert sent(request)[0] == READS[name]
    assert check_read(READS[name]) == READS[name]["message_id"]
    assert (request.kind, kept["message"]["type"]) == ("read", "read")
    assert sent(parse(json.dumps(kept).encode())[0])[0] == READS[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_null_is_absent(name):
    example = EXAMPLES[name]
    request = SendRequest.model_validate(
        {"chatbotId": "b", "to": TO, "message": with_nulls(example), "replyTo": None, "category": None, "sendAt": None}
    )
    assert sent(request)[0] == expected(example)


def with_nulls(value):
    """A null beside every member of every object that is not a flow's own data."""
    if isinstance(value, list):
        return [with_nulls(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    own = {"flow_action_payload", "flow_action_data"}
    made = {name: inner if name in own else with_nulls(inner) for name, inner in value.items()}
    return {"caption": None, "voice": None, "header": None, **made, "upload": made.get("upload")}


@pytest.mark.parametrize("example", [*EXAMPLES.values(), *MARKETING.values(), *READS.values(), *OF_THE_FUTURE.values()])
def test_the_published_schema_takes_it_too(example):
    assert SCHEMA.is_valid({"chatbotId": "b", "to": TO, "message": example})
    kept = parse(body_of(example))[1]
    assert list(SCHEMA.iter_errors(kept)) == []


ODD = [
    *(None, True, 0, -1, 1.5, 1e308, "", "x", "a\nb", "image", "https://x.test/a.pdf", [], [[]], ["x"], {}),
    *({"type": "text"}, {"id": "1"}, {"type": None}, {"body": {}}, {"a": {"b": [None]}}),
]
NAMES = [
    "type",
    "text",
    "image",
    "body",
    "id",
    "link",
    "upload",
    "context",
    "to",
    "status",
    "template",
    "action",
    "",
    "x",
]


@pytest.mark.parametrize("seed", range(10))
def test_what_is_odd_is_refused_with_a_path_or_arrives_and_is_kept_as_one(seed):
    chance = random.Random(seed)
    for _ in range(100):
        message = copy.deepcopy(chance.choice([*EXAMPLES.values(), *MARKETING.values(), *READS.values()]))
        holder = chance.choice([holder for holder in holders(message) if holder])
        step = chance.choice([*holder, *NAMES]) if isinstance(holder, dict) else chance.randrange(len(holder))
        holder[step] = chance.choice(ODD)
        judged = outcome(message)
        if isinstance(judged, InvalidInput):
            assert "\\u0000" not in json.dumps(judged.details)
            assert isinstance(read_record(AT, body_of(message), {}, retried=False), Job)
            continue
        request, kept = judged
        again, same = parse(json.dumps(kept).encode())
        assert same == kept
        assert sent(again) == sent(request)


def outcome(message):
    """What `parse` returns or raises."""
    try:
        return parse(body_of(message))
    except InvalidInput as error:
        return error


def holders(value):
    """Every object and list of a message, itself included."""
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from holders(inner)
