"""Pins of messages of a group: Meta's object, and only for a group."""

import pytest
from pydantic import ValidationError

from common.contracts.outbound import plain_json
from common.contracts.sends import SendRequest
from common.contracts.validation.refusals import refusals

TO = "+4915112345678"
GROUP = "Y2FwaV9ncm91cDoxOTUwNTU1MDA3OToxMjAzNjMzOTQzMjAZD"
WAMID = "wamid.HBgM"


def request(message, to=TO):
    return SendRequest.model_validate({"chatbotId": "b", "to": to, "message": message})


def refused(message, to=TO):
    """The wrong fields, each with its message."""
    with pytest.raises(ValidationError) as caught:
        request(message, to)
    return {error["field"]: error["message"] for error in refusals(caught.value)}


@pytest.mark.parametrize("message", [{"type": "pin"}, {}])
@pytest.mark.parametrize(("days", "sent"), [(1, 1), (30, 30), ("4", 4)])
def test_a_pin_is_meta_s_object(message, days, sent):
    given = {**message, "pin": {"type": "pin", "message_id": WAMID, "expiration_days": days}}
    taken = request(given, to=GROUP).typed()
    assert (taken.type, taken.pin.type, taken.pin.message_id) == ("pin", "pin", WAMID)
    assert taken.pin.expiration_days == sent
    assert plain_json({"message": given})["message"] == {**given, "type": "pin"}


@pytest.mark.parametrize("to", [TO, "DE.13491208655302741918"])
def test_only_a_group_has_pins(to):
    pin = {"type": "pin", "pin": {"type": "unpin", "message_id": WAMID}}
    assert "`to` names no group" in str(refused(pin, to=to))
    assert request(pin, to=GROUP).kind == "pin"


@pytest.mark.parametrize(
    ("pin", "field"),
    [
        ({"type": "pin", "message_id": WAMID}, "message.pin"),
        ({"type": "pin", "message_id": WAMID, "expiration_days": 0}, "message.pin.expiration_days"),
        ({"type": "pin", "message_id": WAMID, "expiration_days": 31}, "message.pin.expiration_days"),
        ({"type": "pin", "message_id": WAMID, "expiration_days": 1.5}, "message.pin.expiration_days"),
        ({"type": "pin", "message_id": WAMID, "expiration_days": True}, "message.pin.expiration_days"),
        ({"type": "pin", "expiration_days": 1}, "message.pin.message_id"),
        ({"type": "fix", "message_id": WAMID, "expiration_days": 1}, "message.pin.type"),
        (None, "message.pin"),
    ],
)
def test_a_pin_that_meta_refuses_is_refused_before(pin, field):
    assert field in refused({"type": "pin", "pin": pin}, to=GROUP)
