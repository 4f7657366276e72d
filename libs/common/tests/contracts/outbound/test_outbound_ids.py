"""An id may be given as a number, as long as it is certain which one; Meta gets a text."""

import pytest
from pydantic import ValidationError

from common.contracts.sends import SendRequest
from common.contracts.validation.refusals import refusals

TO = "+4915112345678"


def request(message, to=TO):
    return SendRequest.model_validate({"chatbotId": "b", "to": to, "message": message})


def refused(message, to=TO):
    """The wrong fields, each with its message."""
    with pytest.raises(ValidationError) as caught:
        request(message, to)
    return {error["field"]: error["message"] for error in refusals(caught.value)}


def template(*parameters):
    components = [{"type": "body", "parameters": list(parameters)}]
    return {"type": "template", "template": {"name": "n", "language": {"code": "en"}, "components": components}}


def interactive(kind, action):
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": "b"}, "action": action}}


def flow(**names):
    names = {"flow_message_version": 3, "flow_cta": "Go", **names}
    return interactive("flow", {"name": "flow", "parameters": names})


def product_list(**ids):
    items = {"product_items": [{"product_retailer_id": ids.get("item", "1")}]}
    message = interactive("product_list", {"catalog_id": ids.get("catalog", "1"), "sections": [items]})
    message["interactive"]["header"] = {"type": "text", "text": "h"}
    return message


def cards(action):
    made = [{"card_index": number, "type": "product", "action": action} for number in range(2)]
    return interactive("carousel", {"cards": made})


# Each with its path below `action`, or below the message.
IDS = {
    "flow_id": (lambda given: flow(flow_id=given), "parameters.flow_id"),
    "flow_token": (lambda given: flow(flow_id="1", flow_token=given), "parameters.flow_token"),
    "product's catalog_id": (
        lambda given: interactive("product", {"catalog_id": given, "product_retailer_id": "1"}),
        "catalog_id",
    ),
    "product_retailer_id": (
        lambda given: interactive("product", {"catalog_id": "1", "product_retailer_id": given}),
        "product_retailer_id",
    ),
    "list's catalog_id": (lambda given: product_list(catalog=given), "catalog_id"),
    "list's item": (lambda given: product_list(item=given), "sections.0.product_items.0.product_retailer_id"),
    "button": (
        lambda given: interactive("button", {"buttons": [{"type": "reply", "reply": {"id": given, "title": "A"}}]}),
        "buttons.0.reply.id",
    ),
    "row": (
        lambda given: interactive("list", {"button": "Open", "sections": [{"rows": [{"id": given, "title": "A"}]}]}),
        "sections.0.rows.0.id",
    ),
    "catalogue's thumbnail": (
        lambda given: interactive("catalog_message", {"parameters": {"thumbnail_product_retailer_id": given}}),
        "parameters.thumbnail_product_retailer_id",
    ),
    "order": (
        lambda given: interactive("order_status", {"parameters": {"reference_id": given}}),
        "parameters.reference_id",
    ),
    "order's item": (
        lambda given: interactive("order_details", {"parameters": {"order": {"items": [{"retailer_id": given}]}}}),
        "parameters.order.items.0.retailer_id",
    ),
    "card's product": (
        lambda given: cards({"catalog_id": "1", "product_retailer_id": given}),
        "cards.1.action.product_retailer_id",
    ),
    "card's answer": (
        lambda given: cards({"buttons": [{"type": "quick_reply", "quick_reply": {"id": given, "title": "A"}}]}),
        "cards.1.action.buttons.0.quick_reply.id",
    ),
    "template": (
        lambda given: {"type": "template", "template": {"name": given, "language": {"code": "en"}}},
        "template.name",
    ),
    "template's thumbnail": (
        lambda given: template({"type": "action", "action": {"thumbnail_product_retailer_id": given}}),
        "template.components.0.parameters.0.action.thumbnail_product_retailer_id",
    ),
    "template's product": (
        lambda given: template({"type": "product", "product": {"product_retailer_id": given, "catalog_id": "1"}}),
        "template.components.0.parameters.0.product.product_retailer_id",
    ),
    "media": (lambda given: {"type": "image", "id": given}, "id"),
}


def at(message, path):
    value = request(message).typed().model_dump()
    value = value["interactive"]["action"] if message["type"] == "interactive" else value
    for step in path.split("."):
        value = value[int(step) if step.isdigit() else step]
    return value


@pytest.mark.parametrize("number", [0, 7, 1013859600285441, 2**53 - 1])
@pytest.mark.parametrize(("make", "path"), IDS.values(), ids=IDS)
def test_an_id_may_be_a_whole_number(make, path, number):
    assert at(make(number), path) == str(number)


@pytest.mark.parametrize("number", [1.0, 7.5, 2**53, -(2**53), 2**63 - 1])
@pytest.mark.parametrize(("make", "path"), IDS.values(), ids=IDS)
def test_a_number_that_may_have_been_changed_is_no_id(make, path, number):
    errors = refused(make(number))
    field, told = next(iter(errors.items()))
    assert "give the id as a text" in told
    assert path.rpartition(".")[2] in field + told


@pytest.mark.parametrize("name", ["flow_action_payload", "flow_action_data"])
def test_the_data_of_a_flow_has_ids_of_its_own(name):
    own = {"id": 7, "data": {"catalog_id": 1.5}}
    message = template({"type": "action", "action": {"flow_token": 5, name: own}})
    action = at(message, "template.components.0.parameters.0.action")
    assert action == {"flow_token": "5", name: own}


def test_equal_ids_are_told_apart_by_their_text():
    buttons = [{"type": "reply", "reply": {"id": given, "title": f"{given!r}"}} for given in (1, "1")]
    assert "must differ" in str(refused(interactive("button", {"buttons": buttons})))
