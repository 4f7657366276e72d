"""What the sender makes of each outbound type is what Meta takes, as the emulator knows it from Meta's pages."""

import importlib.util
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from common.contracts.sends import SendRequest
from graph_emulator.graph_errors import GraphError
from graph_emulator.validation.message import check_message, check_read
from sender.delivery.payloads import edge_of, payload

_TABLE = Path(__file__).resolve().parents[2] / "libs/common/tests/contracts/outbound/test_outbound.py"
_spec = importlib.util.spec_from_file_location("outbound_table", _TABLE)
table = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(table)
JOURNAL = "11111111-2222-5333-8444-555555555555"
MESSAGES = [*table.SMALLEST.values(), *table.INTERACTIVE.values(), *table.FULLEST.values()]


def sent(message, to):
    request = SendRequest.model_validate({"chatbotId": "b", "to": to, "message": message})
    return json.loads(payload(request, JOURNAL)), edge_of(request)


@pytest.mark.parametrize("to", ["+4915112345678", "DE.13491208655302741918"])
@pytest.mark.parametrize("message", MESSAGES)
def test_meta_takes_it(message, to):
    body, edge = sent(message, to)
    if message["type"] == "read":
        assert check_read(body) == message["message_id"]
        return
    assert check_message(body) == message["type"]
    assert edge == ("marketing_messages" if message.get("marketing_lite") else "messages")
    assert "marketing_lite" not in json.dumps(body)


@pytest.mark.parametrize("message", MESSAGES)
def test_nothing_that_was_given_is_lost(message):
    body, _ = sent(message, "+4915112345678")
    kind = message["type"]
    if kind == "read":
        return
    given = message.get(kind, {name: value for name, value in message.items() if name != "type"})
    assert contains(body[kind], given)


GROUP = "Y2FwaV9ncm91cDoxNTU1MDAwMDAwMToxMjAzNjMwMDAwMDAwMDAwMDAZD"


@pytest.mark.parametrize("days", [1, 30, "4"])
def test_a_group_takes_pins(days):
    pin = {"type": "pin", "message_id": "wamid.x", "expiration_days": days}
    for message in ({"type": "pin", "pin": pin}, {"pin": pin}, {"pin": {"type": "unpin", "message_id": "wamid.x"}}):
        body, _ = sent(message, GROUP)
        assert check_message(body) == "pin"


def numbered(value, names):
    """The message with numbers as its ids."""
    if isinstance(value, dict):
        return {name: 7 if name in names else numbered(inner, names) for name, inner in value.items()}
    return [numbered(inner, names) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("message", table.INTERACTIVE.values(), ids=table.INTERACTIVE)
def test_meta_gets_ids_as_texts(message):
    body, _ = sent(numbered(message, {"id", "flow_id", "catalog_id", "product_retailer_id"}), "+4915112345678")
    assert check_message(body) == "interactive"


@pytest.mark.parametrize("text", ["a b", "a    b", "a\nb", "a\r\nb", "a\tb", "a     b", "a\u2028b"])
@pytest.mark.parametrize(
    "make",
    [
        lambda text: {"type": "text", "text": text},
        lambda text: {"type": "currency", "currency": {"fallback_value": text, "code": "EUR", "amount_1000": 1}},
        lambda text: {"type": "date_time", "date_time": {"fallback_value": text}},
        lambda text: {"type": "location", "location": {"latitude": 1, "longitude": 2, "name": text, "address": text}},
        lambda text: {"type": "payload", "payload": text},
        lambda text: {"type": "coupon_code", "coupon_code": text},
    ],
)
def test_both_sides_refuse_the_same_white_space(text, make):
    part = {"type": "body", "parameters": [make(text)]}
    content = {"name": "n", "language": {"code": "en"}, "components": [part]}
    given = {"chatbotId": "b", "to": "+4915112345678", "message": {"type": "template", "template": content}}
    theirs = {"messaging_product": "whatsapp", "to": "+4915112345678", "type": "template", "template": content}
    assert refuses(SendRequest.model_validate, given) == refuses(check_message, theirs)


def refuses(check, given):
    """Whether a check says 132018; any other refusal is an error."""
    try:
        check(given)
    except (ValidationError, GraphError) as error:
        told = f"{error} {getattr(error, 'code', '')}"
    else:
        return False
    assert "132018" in told
    return True


def contains(whole, part):
    if isinstance(part, dict):
        return all(name in whole and contains(whole[name], value) for name, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return whole == part or str(whole) == str(part)  # an index given as text comes out as a number
