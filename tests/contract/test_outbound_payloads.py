"""What the sender makes of each outbound type is what Meta takes, as the emulator knows it from Meta's pages."""

import importlib.util
import json
from pathlib import Path

import pytest

from common.contracts.sends import SendRequest
from graph_emulator.validation import check_message, check_read
from sender.payloads import edge_of, payload

_TABLE = Path(__file__).resolve().parents[2] / "libs/common/tests/test_outbound.py"
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


def contains(whole, part):
    if isinstance(part, dict):
        return all(name in whole and contains(whole[name], value) for name, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return whole == part or str(whole) == str(part)  # an index given as text comes out as a number
