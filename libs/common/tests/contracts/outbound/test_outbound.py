"""Every outbound type: the smallest, the fullest, and each limit exceeded by one."""

import copy

import pytest
from pydantic import ValidationError

from common.contracts.sends import SendRequest
from common.contracts.validation.refusals import as_sentence, refusals

WAMID = "wamid.HBgM"
SMALLEST = {
    "text": {"type": "text", "body": "x"},
    "image": {"type": "image", "id": "7"},
    "video": {"type": "video", "link": "https://x.test/v"},
    "document": {"type": "document", "id": "7"},
    "audio": {"type": "audio", "id": "7"},
    "sticker": {"type": "sticker", "id": "7"},
    "location": {"type": "location", "latitude": 1, "longitude": 2},
    "contacts": {"type": "contacts", "contacts": [{"name": {"formatted_name": "Ada"}}]},
    "reaction": {"type": "reaction", "message_id": WAMID, "emoji": ""},
    "read": {"type": "read", "message_id": WAMID},
    "template": {"type": "template", "template": {"name": "hello_world", "language": {"code": "en_US"}}},
}


def interactive(kind, action, **more):
    content = {"type": kind, "body": {"text": "b"}, "action": action} | more
    return {"type": "interactive", "interactive": {k: v for k, v in content.items() if v is not None}}


def button(n=1):
    return {"type": "reply", "reply": {"id": f"id{n}", "title": f"Title {n}"}}


def row(n=1):
    return {"id": f"row{n}", "title": f"Row {n}"}


FLOW = {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Go"}
INTERACTIVE = {
    "button": interactive("button", {"buttons": [button()]}),
    "list": interactive("list", {"button": "Open", "sections": [{"rows": [row()]}]}),
    "cta_url": interactive(
        "cta_url", {"name": "cta_url", "parameters": {"display_text": "See", "url": "https://x.test"}}
    ),
    "flow": interactive("flow", {"name": "flow", "parameters": FLOW}),
    "location_request_message": interactive("location_request_message", {"name": "send_location"}),
    "product": interactive("product", {"catalog_id": "1", "product_retailer_id": "2"}, body=None),
    "product_list": interactive(
        "product_list",
        {"catalog_id": "1", "sections": [{"title": "S", "product_items": [{"product_retailer_id": "2"}]}]},
        header={"type": "text", "text": "h"},
    ),
    "carousel": interactive(
        "carousel", {"cards": [{"card_index": n, "type": "cta_url", "body": {"text": "c"}} for n in range(2)]}
    ),
    "catalog_message": interactive("catalog_message", {"name": "catalog_message"}),
    "call_permission_request": interactive("call_permission_request", {"name": "call_permission_request"}),
    "address_message": interactive("address_message", {"name": "address_message", "parameters": {"country": "IN"}}),
    "order_details": interactive("order_details", {"name": "review_and_pay", "parameters": {"currency": "INR"}}),
}
FULLEST = {
    "text": {"type": "text", "body": "x" * 4096, "preview_url": True},
    "image": {"type": "image", "link": "https://x.test/i", "caption": "c" * 1024},
    "document": {"type": "document", "link": "https://x.test/d", "caption": "c" * 1024, "filename": "f" * 240},
    "audio": {"type": "audio", "id": "7", "voice": True},
    "location": {"type": "location", "latitude": -90, "longitude": 180, "name": "n" * 1000, "address": "a" * 1000},
    "contacts": {
        "type": "contacts",
        "contacts": [
            {
                "name": {"formatted_name": "Ada", "first_name": "Ada", "prefix": "Dr"},
                "phones": [{"phone": "+49", "type": "CELL", "wa_id": "49"}],
                "emails": [{"email": "a@x.test"}],
                "urls": [{"url": "https://x.test"}],
                "addresses": [{"city": "Ulm"}],
                "org": {"company": "X"},
                "birthday": "1815-12-10",
            }
        ]
        * 257,
    },
    "reaction": {"type": "reaction", "message_id": WAMID, "emoji": "👋"},
    "read": {"type": "read", "message_id": WAMID, "typing": True},
    "button": interactive(
        "button",
        {"buttons": [{"type": "reply", "reply": {"id": f"{n}" * 256, "title": f"{n}" * 20}} for n in range(3)]},
        header={"type": "image", "image": {"id": "7"}},
        body={"text": "b" * 1024},
        footer={"text": "f" * 60},
    ),
    "list": interactive(
        "list",
        {
            "button": "b" * 20,
            "sections": [
                {"title": f"{s}" * 24, "rows": [{"id": f"{s}" * 200, "title": "t" * 24, "description": "d" * 72}]}
                for s in range(10)
            ],
        },
        header={"type": "text", "text": "h" * 60},
        body={"text": "b" * 4096},
        footer={"text": "f" * 60},
    ),
    "product_list": interactive(
        "product_list",
        {
            "catalog_id": "1",
            "sections": [
                {"title": "t" * 24, "product_items": [{"product_retailer_id": f"{s}{n}"} for n in range(3)]}
                for s in range(10)
            ],
        },
        header={"type": "text", "text": "h"},
    ),
    "template": {
        "type": "template",
        "template": {
            "name": "order_update",
            "language": {"code": "de", "policy": "deterministic"},
            "components": [
                {"type": "header", "parameters": [{"type": "document", "document": {"id": "7", "filename": "a.pdf"}}]},
                {
                    "type": "body",
                    "parameters": [
                        {"type": "text", "text": "Ada", "parameter_name": "first_name"},
                        {"type": "currency", "currency": {"fallback_value": "9 €", "code": "EUR", "amount_1000": 9000}},
                        {"type": "date_time", "date_time": {"fallback_value": "today"}},
                    ],
                },
                {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "17"}]},
                {
                    "type": "button",
                    "sub_type": "quick_reply",
                    "index": 1,
                    "parameters": [{"type": "payload", "payload": "p"}],
                },
                {
                    "type": "button",
                    "sub_type": "copy_code",
                    "index": 2,
                    "parameters": [{"type": "coupon_code", "coupon_code": "C"}],
                },
                {
                    "type": "limited_time_offer",
                    "parameters": [{"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": 1}}],
                },
            ],
        },
    },
    "template, authentication": {
        "type": "template",
        "template": {
            "name": "code",
            "language": {"code": "en"},
            "components": [
                {"type": "body", "parameters": [{"type": "text", "text": "123456"}]},
                {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "123456"}]},
            ],
        },
    },
    "template, carousel": {
        "type": "template",
        "marketing_lite": True,
        "template": {
            "name": "shoes",
            "language": {"code": "en"},
            "components": [
                {
                    "type": "carousel",
                    "cards": [
                        {
                            "card_index": n,
                            "components": [{"type": "header", "parameters": [{"type": "image", "image": {"id": "7"}}]}],
                        }
                        for n in range(10)
                    ],
                }
            ],
        },
    },
}


def request(message, **fields):
    return SendRequest.model_validate({"chatbotId": "b", "to": "+4915112345678", "message": message, **fields})


@pytest.mark.parametrize("message", [*SMALLEST.values(), *INTERACTIVE.values(), *FULLEST.values()])
def test_each_type_is_taken(message):
    assert request(message).typed().type == message["type"]


def changed(message, path, value):
    """The message with one place of it changed; DELETE takes it out."""
    message = copy.deepcopy(message)
    at = message
    *way, last = path.split(".")
    for name in way:
        at = at[int(name)] if isinstance(at, list) else at[name]
    if isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value
    return message


I, A = "interactive", "interactive.action"  # noqa: E741  # short names for a table
TOO_MUCH = [
    (FULLEST["text"], "body", "x" * 4097, 4096),
    (SMALLEST["text"], "body", "", 1),
    (FULLEST["image"], "caption", "c" * 1025, 1024),
    (FULLEST["image"], "link", "ftp://x.test", None),
    (FULLEST["image"], "link", "https://x.test/" + "x" * 2040, 2048),
    (FULLEST["document"], "filename", "f" * 241, 240),
    (FULLEST["image"], "id", "7", None),
    (SMALLEST["sticker"], "id", None, None),
    (FULLEST["location"], "latitude", 90.1, 90),
    (FULLEST["location"], "longitude", -180.1, -180),
    (FULLEST["location"], "name", "n" * 1001, 1000),
    (SMALLEST["contacts"], "contacts", [], 1),
    (FULLEST["contacts"], "contacts", [{"name": {"formatted_name": "A"}}] * 258, 257),
    (SMALLEST["contacts"], "contacts.0.name", {"first_name": "A"}, None),
    (SMALLEST["reaction"], "message_id", "", 1),
    (SMALLEST["read"], "message_id", "x" * 513, 512),
    (INTERACTIVE["button"], f"{I}.type", "knob", None),
    (INTERACTIVE["button"], f"{A}.buttons", [button(n) for n in range(4)], 3),
    (INTERACTIVE["button"], f"{A}.buttons", [button(), button()], None),
    (FULLEST["button"], f"{A}.buttons.0.reply.title", "t" * 21, 20),
    (FULLEST["button"], f"{A}.buttons.0.reply.id", "t" * 257, 256),
    (FULLEST["button"], f"{I}.body.text", "t" * 1025, 1024),
    (FULLEST["button"], f"{I}.footer.text", "t" * 61, 60),
    (INTERACTIVE["button"], f"{I}.header", {"type": "text", "text": "t" * 61}, 60),
    (FULLEST["list"], f"{I}.body.text", "t" * 4097, 4096),
    (FULLEST["list"], f"{A}.button", "t" * 21, 20),
    (FULLEST["list"], f"{A}.sections.0.title", "t" * 25, 24),
    (FULLEST["list"], f"{A}.sections.0.title", None, None),
    (FULLEST["list"], f"{A}.sections.0.rows.0.title", "t" * 25, 24),
    (FULLEST["list"], f"{A}.sections.0.rows.0.description", "t" * 73, 72),
    (FULLEST["list"], f"{A}.sections.0.rows.0.id", "t" * 201, 200),
    (FULLEST["list"], f"{A}.sections.0.rows", [row(n) for n in range(2)], None),
    (INTERACTIVE["list"], f"{A}.sections", [{"title": f"{n}", "rows": [row(n)]} for n in range(11)], 10),
    (FULLEST["list"], f"{I}.header", {"type": "image", "image": {"id": "7"}}, None),
    (INTERACTIVE["cta_url"], f"{A}.parameters.display_text", "t" * 21, 20),
    (INTERACTIVE["cta_url"], f"{A}.parameters.url", "mailto:x", None),
    (INTERACTIVE["flow"], f"{A}.parameters.flow_name", "both", None),
    (INTERACTIVE["flow"], f"{A}.parameters.flow_cta", "t" * 31, 30),
    (INTERACTIVE["product_list"], f"{I}.header", None, None),
    (
        FULLEST["product_list"],
        f"{A}.sections.0.product_items",
        [{"product_retailer_id": f"{n}"} for n in range(4)],
        None,
    ),
    (INTERACTIVE["carousel"], f"{A}.cards", [{"card_index": 0, "type": "x"}], 2),
    (INTERACTIVE["carousel"], f"{A}.cards.0.body.text", "t" * 161, 160),
    (INTERACTIVE["carousel"], f"{A}.cards.1.card_index", 0, None),
    (SMALLEST["template"], "template.name", "Has Spaces", None),
    (SMALLEST["template"], "template.name", "n" * 513, 512),
    (FULLEST["template"], "template.components.1.parameters.0.text", "", 1),
    (FULLEST["template"], "template.components.1.parameters.0.type", "riddle", None),
    (FULLEST["template"], "template.components.2.index", 10, 10),
    (FULLEST["template"], "template.components.2.sub_type", "knob", None),
    (FULLEST["template"], "template.components", [{"type": "button", "sub_type": "url", "index": 0}] * 11, None),
]


@pytest.mark.parametrize(("message", "path", "value", "limit"), TOO_MUCH)
def test_each_limit_is_named_with_its_field_and_what_was_given(message, path, value, limit):
    wrong = changed(message, path, value)
    with pytest.raises(ValidationError) as caught:
        request(wrong)
    errors = refusals(caught.value, {"message": wrong})
    # The field itself, one inside of it, or, for a rule over several fields, the object that has them.
    fields = [error["field"] for error in errors]
    assert all(f"message.{path}".startswith(field) or field.startswith(f"message.{path}") for field in fields)
    if limit is not None:
        assert limit in {error.get("limit") for error in errors}
    assert all(field in as_sentence(errors) for field in fields)


def test_a_misspelt_field_is_an_error():
    with pytest.raises(ValidationError, match="captoin"):
        request({"type": "image", "id": "7", "captoin": "c"})


def test_a_reaction_is_no_reply():
    with pytest.raises(ValidationError, match="replyTo"):
        request(SMALLEST["reaction"], replyTo=WAMID)
    assert request(SMALLEST["image"], replyTo=WAMID).reply_to == WAMID
