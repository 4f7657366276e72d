import pytest

from graph_emulator.graph_errors import GraphError
from graph_emulator.validation.message import check_message


def interactive(kind, action, **parts):
    content = {"type": kind, "body": {"text": "Choose"}, "action": action} | parts
    content = {key: value for key, value in content.items() if value is not None}
    return {"messaging_product": "whatsapp", "to": "4915150000001", "type": "interactive", "interactive": content}


def button(number=1, **reply):
    return {"type": "reply", "reply": {"id": f"b{number}", "title": "Yes"} | reply}


def rows(count, first=0, **row):
    return [{"id": f"r{first + n}", "title": "Row"} | row for n in range(count)]


def listed(*sections, **action):
    return interactive("list", {"button": "Open", "sections": list(sections)} | action)


BUTTONS = {"buttons": [button()]}
URL = {"display_text": "Open", "url": "https://example.org"}
ITEM = {"product_retailer_id": "2"}
FLOW = {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Start"}

TAKEN = {
    "one button": interactive("button", BUTTONS),
    "fullest buttons": interactive(
        "button",
        {"buttons": [button(n, title="x" * 20) for n in range(2)] + [button(9, id="x" * 256)]},
        header={"type": "text", "text": "x" * 60},
        body={"text": "x" * 1024},
        footer={"text": "x" * 60},
    ),
    "image header": interactive("button", BUTTONS, header={"type": "image", "image": {"id": "1"}}),
    "one row": listed({"rows": rows(1)}),
    "fullest list": listed(
        {"title": "x" * 24, "rows": rows(5, title="x" * 24, description="x" * 72)},
        {"title": "y", "rows": [{"id": "z" * 200, "title": "Row"}, *rows(4, first=5)]},
        button="x" * 20,
    ),
    "list with a long body": interactive(
        "list", {"button": "Open", "sections": [{"rows": rows(1)}]}, body={"text": "x" * 4096}
    ),
    "link": interactive("cta_url", {"name": "cta_url", "parameters": URL | {"display_text": "x" * 20}}),
    "flow": interactive("flow", {"name": "flow", "parameters": FLOW | {"mode": "draft", "flow_action": "navigate"}}),
    "location request": interactive("location_request_message", {"name": "send_location"}),
    "product without a body": interactive("product", {"catalog_id": "1", "product_retailer_id": "2"}, body=None),
    "products": interactive(
        "product_list",
        {"catalog_id": "1", "sections": [{"title": "x", "product_items": [{"product_retailer_id": "2"}] * 30}]},
    ),
    "carousel": interactive("carousel", {"cards": [{"card_index": n, "body": {"text": "x" * 160}} for n in range(10)]}),
    "address": interactive("address_message", {"name": "address_message", "parameters": {"country": "IN"}}),
    "call permission": interactive("call_permission_request", {"name": "call_permission_request"}),
    "call permission without words": interactive(
        "call_permission_request", {"name": "call_permission_request"}, body=None
    ),
    "link in capitals": interactive(
        "cta_url", {"name": "cta_url", "parameters": {"display_text": "x", "url": "HTTPS://e.org"}}
    ),
    "contact request": interactive("request_contact_info", {"name": "request_contact_info"}),
}

REFUSED = {
    "unknown kind": (131009, interactive("poll", {})),
    "no action": (131008, interactive("button", None)),
    "no body": (131008, interactive("button", BUTTONS, body=None)),
    "long body": (131009, interactive("button", BUTTONS, body={"text": "x" * 1025})),
    "long list body": (131009, interactive("list", {}, body={"text": "x" * 4097})),
    "long footer": (131009, interactive("button", BUTTONS, footer={"text": "x" * 61})),
    "long header": (131009, interactive("button", BUTTONS, header={"type": "text", "text": "x" * 61})),
    "unknown header": (131009, interactive("button", BUTTONS, header={"type": "audio"})),
    "header without its media": (131008, interactive("button", BUTTONS, header={"type": "video"})),
    "four buttons": (131009, interactive("button", {"buttons": [button(n) for n in range(4)]})),
    "no buttons": (131009, interactive("button", {"buttons": []})),
    "long button": (131009, interactive("button", {"buttons": [button(title="x" * 21)]})),
    "long button id": (131009, interactive("button", {"buttons": [button(id="x" * 257)]})),
    "same button twice": (131009, interactive("button", {"buttons": [button(), button()]})),
    "eleven rows": (131009, listed({"title": "a", "rows": rows(6)}, {"title": "b", "rows": rows(5, first=6)})),
    "eleven sections": (131009, listed(*[{"title": "a", "rows": rows(1, first=n)} for n in range(11)])),
    "untitled sections": (131008, listed({"rows": rows(1)}, {"rows": rows(1, first=1)})),
    "long section": (131009, listed({"title": "x" * 25, "rows": rows(1)})),
    "long row": (131009, listed({"rows": rows(1, title="x" * 25)})),
    "long description": (131009, listed({"rows": rows(1, description="x" * 73)})),
    "long row id": (131009, listed({"rows": [{"id": "x" * 201, "title": "Row"}]})),
    "same row twice": (131009, listed({"rows": rows(1) + rows(1)})),
    "long list button": (131009, listed({"rows": rows(1)}, button="x" * 21)),
    "long link text": (
        131009,
        interactive("cta_url", {"name": "cta_url", "parameters": URL | {"display_text": "x" * 21}}),
    ),
    "link without a URL": (131008, interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": "x"}})),
    "flow named twice": (131009, interactive("flow", {"name": "flow", "parameters": FLOW | {"flow_name": "x"}})),
    "wrong flow mode": (131009, interactive("flow", {"name": "flow", "parameters": FLOW | {"mode": "test"}})),
    "misnamed location request": (131009, interactive("location_request_message", {"name": "location"})),
    "product without catalogue": (131008, interactive("product", {"product_retailer_id": "2"})),
    "31 products": (
        131009,
        interactive(
            "product_list",
            {"catalog_id": "1", "sections": [{"product_items": [ITEM] * 16}, {"product_items": [ITEM] * 15}]},
        ),
    ),
    "item without an id": (
        131008,
        interactive("product_list", {"catalog_id": "1", "sections": [{"product_items": [{}]}]}),
    ),
    "number as an item's id": (
        100,
        interactive("product_list", {"catalog_id": "1", "sections": [{"product_items": [{"product_retailer_id": 2}]}]}),
    ),
    "number as a flow's id": (100, interactive("flow", {"name": "flow", "parameters": FLOW | {"flow_id": 1}})),
    "number as a flow's token": (100, interactive("flow", {"name": "flow", "parameters": FLOW | {"flow_token": 1}})),
    "one card": (131009, interactive("carousel", {"cards": [{}]})),
    "long card": (131009, interactive("carousel", {"cards": [{"body": {"text": "x" * 161}}, {}]})),
}


@pytest.mark.parametrize("body", TAKEN.values(), ids=TAKEN.keys())
def test_takes(body):
    assert check_message(body) == "interactive"


@pytest.mark.parametrize(("code", "body"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(code, body):
    with pytest.raises(GraphError) as refused:
        check_message(body)
    assert refused.value.code == code
