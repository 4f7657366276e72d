"""The generated contracts are valid documents, and what the services really write is valid by them."""

import json
from pathlib import Path

import jsonschema
import openapi_spec_validator as openapi
import pytest
from conversation_builders import ADA, Memory, message, result, status

from common.contracts import sends
from common.contracts.dlq_audit import LetterReplayed

CONTRACTS = Path(__file__).resolve().parents[2] / "docs" / "contracts"
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in sorted((CONTRACTS / "schemas").glob("*.json"))}
OPENAPI = sorted(CONTRACTS.glob("openapi*.json"))
SEND = {"chatbotId": "bot", "to": "+491510000001", "message": "Hello", "messageId": "order-17"}


def mistakes(name, value):
    """Where `value` breaks the schema."""
    checker = jsonschema.FormatChecker()
    validator = jsonschema.Draft202012Validator(SCHEMAS[name], format_checker=checker)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def kind_of(record):
    return {"incoming-messages": "incoming-message", "message-status": "message-status"}[record.topic]


@pytest.mark.parametrize("path", OPENAPI, ids=lambda path: path.stem)
def test_every_openapi_document_is_one(path):
    openapi.validate(json.loads(path.read_text()))


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one_and_has_an_id_of_its_own(name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"].split(":")[2] == name
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_asyncapi_document_refers_to_nothing_that_is_not_there_and_has_schemas_as_asyncapi_knows_them():
    document = json.loads((CONTRACTS / "asyncapi.json").read_text())
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft7Validator.check_schema(schema)
    for node in nodes(document):
        # OpenAPI's is an object; AsyncAPI's is a name, and means something else.
        assert not isinstance(node.get("discriminator"), dict)
        reference = node.get("$ref", "#/components/schemas/SendRequest")
        assert reference.removeprefix("#/components/schemas/") in schemas


def nodes(value):
    """Every object in a document."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def test_every_channel_with_a_payload_of_ours_has_a_schema_and_says_where_it_is():
    document = json.loads((CONTRACTS / "asyncapi.json").read_text())
    schemas = document["components"]["schemas"]
    for channel in document["channels"].values():
        for one in channel["messages"].values():
            reference = one["payload"].get("$ref")
            assert reference is None or reference.removeprefix("#/components/schemas/") in schemas
    assert {"incoming-message", "message-status", "send-request", "send-result", "webhook-received"} <= SCHEMAS.keys()


def test_what_ingress_and_sender_write_is_valid():
    records = [message(), status("read"), status("failed", errors=[{"code": 131026}])]
    for record in records:
        assert mistakes("webhook-received", json.loads(record.value)) == []
    for record in [result(), result(sends.FAILED), result(sends.IN_DOUBT, contact=ADA)]:
        assert mistakes("send-result", json.loads(record.value)) == []


def test_what_conversation_publishes_is_valid():
    events, _ = Memory().run(message(), result(), status("delivered"), status("failed", errors=[{"code": 131026}]))
    assert [kind_of(event) for event in events] == ["incoming-message", *["message-status"] * 3]
    for event in events:
        assert mistakes(kind_of(event), json.loads(event.value)) == []


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"message": {"type": "image", "link": "https://example.org/a.png"}}, True),
        ({"sendAt": "2026-12-24T18:00:00Z", "category": "campaign", "metadata": {"orderId": 17}}, True),
        ({"message": {"type": "carrier-pigeon"}}, False),
        ({"to": 491510000001}, False),
        ({"colour": "red"}, False),
        ({"message": ""}, False),
    ],
)
def test_a_producer_can_check_a_request_by_its_schema(change, valid):
    assert (mistakes("send-request", {**SEND, **change}) == []) is valid
    sends.SendRequest.model_validate({**SEND, **change}) if valid else None


def test_a_batch_and_an_account_by_theirs():
    assert mistakes("send-batch", {"messages": [SEND], "batchId": "b"}) == []
    assert mistakes("send-batch", {"messages": []}) != []
    account = {"chatbotId": "bot", "phoneNumberId": "106540352242922", "accessToken": "fake-token"}
    assert mistakes("account-request", account) == []
    assert mistakes("account-request", {**account, "phoneNumberId": "+49"}) != []


def test_an_event_without_its_data_or_with_a_time_that_is_none_is_not_valid():
    event = json.loads(message().value)
    assert mistakes("webhook-received", {**event, "data": None}) != []
    assert mistakes("webhook-received", {**event, "recordedAt": 5}) != []
    assert set(SCHEMAS["letter-replayed"]["required"]) == {"at", "by", "letter", "toTopic", "reason"}
    assert LetterReplayed.__doc__.strip().splitlines()[0] in SCHEMAS["letter-replayed"]["description"]
