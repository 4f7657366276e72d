"""Meta's JSON of every kind of message that its pages, its OpenAPI document and its Marketing Messages API have.

Each is the whole body of a call without the recipient, in our own words. The shapes are Meta's: an `index` as text or as
number, a `sub_type` in upper case, a boolean where a text is expected, a missing `type`.
"""

from typing import Any

Json = dict[str, Any]
QUOTED = "wamid.quoted"
FILE = "https://files.example.org"


def media(kind: str, **more: Any) -> dict[str, Json]:
    """One kind of media: by id and by link, alone and as a reply."""
    sources = {"by id": {"id": "1013859600285441"}, "by link": {"link": f"{FILE}/{kind}"}}
    plain = {f"{kind} {how}": {"type": kind, kind: {**source, **more}} for how, source in sources.items()}
    return plain | {f"reply, {name}": {**body, "context": {"message_id": QUOTED}} for name, body in plain.items()}


def interactive(kind: str, action: Json, **more: Any) -> Json:
    """An interactive message."""
    content = {"type": kind, "body": {"text": "Have a look"}, "action": action} | more
    return {"type": "interactive", "interactive": {name: value for name, value in content.items() if value}}


def template(*components: Json, **more: Any) -> Json:
    """A template message."""
    content = {"name": "spring_offer", "language": {"code": "en_US"}, "components": list(components)}
    return {"type": "template", "template": content, **more}


def part(kind: str, *parameters: Json) -> Json:
    """A component that is no button."""
    return {"type": kind, "parameters": list(parameters)}


def button(sub_type: str, index: Any, *parameters: Json) -> Json:
    """A button's parameters."""
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": list(parameters)}


def text(value: Any, **more: Any) -> Json:
    """A text parameter."""
    return {"type": "text", "text": value, **more}


CARD = {
    "name": {
        "formatted_name": "Dr Grace B. Hopper Jr",
        "first_name": "Grace",
        "middle_name": "B.",
        "last_name": "Hopper",
        "prefix": "Dr",
        "suffix": "Jr",
    },
    "phones": [
        {"phone": "+1 (212) 555-0100", "type": "HOME"},
        {"phone": "+1 (212) 555-0101", "type": "WORK", "wa_id": "12125550101"},
    ],
    "emails": [{"email": "grace@example.org", "type": "WORK"}, {"email": "g@example.net", "type": "HOME"}],
    "urls": [{"url": "https://example.org", "type": "WORK"}],
    "addresses": [
        {
            "street": "Main Street 1",
            "city": "Arlington",
            "state": "VA",
            "zip": "22201",
            "country": "United States",
            "country_code": "us",
            "type": "HOME",
        }
    ],
    "org": {"company": "Navy", "department": "Computing", "title": "Admiral"},
    "birthday": "1906-12-09",
}
PLACE = {"latitude": 48.4011, "longitude": 9.9876, "name": "Minster", "address": "Münsterplatz, Ulm"}
MONEY = {"type": "currency", "currency": {"fallback_value": "12.50 €", "code": "EUR", "amount_1000": 12_500}}
MOMENT = {
    "type": "date_time",
    "date_time": {
        "fallback_value": "1 May 2027",
        "day_of_week": 6,
        "day_of_month": 1,
        "month": 5,
        "year": 2027,
        "hour": 9,
        "minute": 30,
        "calendar": "GREGORIAN",
    },
}
HEADER = {"type": "text", "text": "Spring"}
FOOTER = {"text": "Garden shop"}
ROWS = [{"id": "r1", "title": "Tulips", "description": "Red"}, {"id": "r2", "title": "Roses", "description": "White"}]
OTHER_ROWS = [{"id": "r3", "title": "Spades"}]
LIST = interactive(
    "list",
    {"button": "Open", "sections": [{"title": "Plants", "rows": ROWS}, {"title": "WorkerParts", "rows": OTHER_ROWS}]},
    header=HEADER,
    footer=FOOTER,
)
BUTTONS = {"buttons": [{"type": "reply", "reply": {"id": f"b{n}", "title": f"Choice {n}"}} for n in range(3)]}
URL = {"name": "cta_url", "parameters": {"display_text": "See dates", "url": "https://example.org/dates?c=1"}}
SECTIONS = [
    {"title": "Bulbs", "product_items": [{"product_retailer_id": "sku-1"}, {"product_retailer_id": "sku-2"}]},
    {"title": "Pots", "product_items": [{"product_retailer_id": "sku-3"}]},
]
AMOUNT = {"value": 1_100, "offset": 100}
ORDER = {
    "name": "review_and_pay",
    "parameters": {
        "reference_id": "order-17",
        "type": "digital-goods",
        "payment_type": "upi",
        "payment_configuration": "ours",
        "currency": "INR",
        "total_amount": AMOUNT,
        "payment_settings": [{"type": "payment_link", "payment_link": {"uri": "https://pay.example.org/17"}}],
        "order": {
            "status": "pending",
            "items": [
                {"retailer_id": "sku-1", "name": "Bread", "amount": AMOUNT, "sale_amount": AMOUNT, "quantity": 1}
            ],
            "subtotal": AMOUNT,
            "tax": {**AMOUNT, "description": "included"},
            "shipping": {**AMOUNT, "description": "by bike"},
            "discount": {**AMOUNT, "description": "spring", "discount_program_name": "friends"},
        },
    },
}


def flow(name: Json, mode: Json | None = None) -> Json:
    """A flow by its id or its name, published or as a draft."""
    parameters = {
        "flow_message_version": "3",
        "flow_token": "token-1",
        "flow_cta": "Book",
        "flow_action": "navigate",
        "flow_action_payload": {"screen": "FIRST", "data": {"day": "Monday", "guest": None}},
    }
    action = {"name": "flow", "parameters": parameters | name | (mode or {})}
    return interactive("flow", action, header=HEADER, footer=FOOTER)


def card(number: int, action: Json, **more: Any) -> Json:
    """A card of an interactive carousel."""
    return {"card_index": number, "type": "cta_url", "action": action, **more}


QUICK = {"buttons": [{"type": "quick_reply", "quick_reply": {"id": "more", "title": "More"}}]}
IMAGE_HEADER = {"type": "image", "image": {"link": f"{FILE}/rose.jpg"}}
THUMBNAIL = {"type": "action", "action": {"thumbnail_product_retailer_id": "sku-1"}}
IMAGE = {"type": "image", "image": {"link": f"{FILE}/header.jpg"}}
PRODUCT = {"type": "product", "product": {"product_retailer_id": "sku-1", "catalog_id": "194836987003835"}}
TAP = {"type": "tap_target_configuration", "tap_target_configuration": [{"url": "https://example.org", "title": "Go"}]}
OFFER = {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": 1_809_600_000_000}}

EXAMPLES: dict[str, Json] = {
    "text": {"type": "text", "text": {"body": "Good morning", "preview_url": False}},
    "text with a preview, without type": {"text": {"body": "See https://example.org", "preview_url": True}},
    "reply, text": {
        "type": "text",
        "text": {"body": "Yes", "preview_url": False},
        "context": {"message_id": QUOTED},
    },
    "text to a known identity": {
        "type": "text",
        "text": {"body": "Hello", "preview_url": False},
        "recipient_identity_key_hash": "aGFzaA==",
    },
    **media("image"),
    **media("image", caption="A rose"),
    **media("video", caption="A film"),
    **media("audio"),
    **media("sticker"),
    **media("document", caption="The bill"),
    **media("document", caption="The bill", filename="bill-17.pdf"),
    "voice note": {"type": "audio", "audio": {"id": "1013859600285441", "voice": True}},
    "location": {"type": "location", "location": PLACE},
    "location, degrees as texts": {
        "type": "location",
        "location": {**PLACE, "latitude": "-48.40110000000000123", "longitude": "9.9876"},
    },
    "reply, location": {"type": "location", "location": PLACE, "context": {"message_id": QUOTED}},
    "contacts": {"type": "contacts", "contacts": [CARD, {"name": {"formatted_name": "Ada"}}]},
    "reply, contacts": {"type": "contacts", "contacts": [CARD], "context": {"message_id": QUOTED}},
    "reaction": {"type": "reaction", "reaction": {"message_id": QUOTED, "emoji": "👋"}},
    "reaction taken back": {"type": "reaction", "reaction": {"message_id": QUOTED, "emoji": ""}},
    "list": LIST,
    "reply, list without type": {"interactive": LIST["interactive"], "context": {"message_id": QUOTED}},
    "buttons": interactive("button", BUTTONS),
    "buttons under an image": interactive("button", BUTTONS, header=IMAGE_HEADER, footer=FOOTER),
    "buttons under a file": interactive(
        "button", BUTTONS, header={"type": "document", "document": {"id": "7", "filename": "plan.pdf"}}
    ),
    "header with a sub-text": interactive("button", BUTTONS, header={**HEADER, "sub_text": "All week"}),
    "link": interactive("cta_url", URL, header=HEADER, footer=FOOTER),
    "link to a payment": interactive(
        "cta_url", {"name": "cta_url", "parameters": {**URL["parameters"], "payment_link_preview": True}}
    ),
    "location request": interactive("location_request_message", {"name": "send_location"}),
    "product": interactive("product", {"catalog_id": "367", "product_retailer_id": "sku-1"}, footer=FOOTER),
    "products": interactive("product_list", {"catalog_id": "146", "sections": SECTIONS}, header=HEADER, footer=FOOTER),
    "catalogue": interactive(
        "catalog_message",
        {"name": "catalog_message", "parameters": {"thumbnail_product_retailer_id": "sku-1"}},
        footer=FOOTER,
    ),
    "order details": interactive("order_details", ORDER, header=IMAGE_HEADER, footer=FOOTER),
    "order status": interactive(
        "order_status",
        {
            "name": "review_order",
            "parameters": {"reference_id": "order-17", "order": {"status": "processing", "description": "soon"}},
        },
    ),
    "flow by id": flow({"flow_id": "1190"}),
    "flow by name": flow({"flow_name": "booking"}),
    "draft flow by id": flow({"flow_id": "1190"}, {"mode": "draft"}),
    "draft flow by name": flow({"flow_name": "booking"}, {"mode": "draft"}),
    "address": interactive(
        "address_message",
        {
            "name": "address_message",
            "parameters": {
                "country": "IN",
                "values": {"name": "Asha"},
                "saved_addresses": [{"id": "a1", "value": {"city": "Mumbai", "building_name": ""}}],
                "validation_errors": {"in_pin_code": "unknown"},
            },
        },
    ),
    "call permission": interactive("call_permission_request", {"name": "call_permission_request"}),
    "call permission without words": interactive(
        "call_permission_request", {"name": "call_permission_request"}, body=None
    ),
    "call button": interactive(
        "voice_call",
        {"name": "voice_call", "parameters": {"display_text": "Call us", "ttl_minutes": 100, "payload": "desk"}},
    ),
    "contact request": interactive("request_contact_info", {"name": "request_contact_info"}),
    "carousel of links": interactive(
        "carousel", {"cards": [card(n, URL, header=IMAGE_HEADER, body={"text": "One"}) for n in range(2)]}
    ),
    "carousel of answers": interactive("carousel", {"cards": [card(n, QUICK, header=IMAGE_HEADER) for n in range(3)]}),
    "carousel of products": interactive(
        "carousel",
        {
            "cards": [
                {"card_index": n, "type": "product", "action": {"product_retailer_id": f"s{n}", "catalog_id": "1"}}
                for n in range(2)
            ]
        },
    ),
    "template alone": {"type": "template", "template": {"name": "hello_world", "language": {"code": "en_US"}}},
    "template with a policy": {
        "type": "template",
        "template": {
            "name": "hello-world",
            "language": {"policy": "deterministic", "code": "language-and-locale-code"},
        },
    },
    "template, text": template(part("body", text("Ada"), MONEY, MOMENT)),
    "template, named texts": template(part("body", text("Ada", parameter_name="first_name"))),
    "template, media": template(part("header", IMAGE), part("body", text("Ada"), MONEY, MOMENT)),
    "template, video": template(part("header", {"type": "video", "video": {"id": "9"}})),
    "template, gif": template(part("header", {"type": "gif", "gif": {"id": "9"}})),
    "template, file": template(part("header", {"type": "document", "document": {"id": "9", "filename": "bill.pdf"}})),
    "template, place": template(
        part("header", {"type": "location", "location": {**PLACE, "latitude": "48.4011", "longitude": "9.9876"}})
    ),
    "template, answers": template(
        part("header", IMAGE),
        part("body", text("Ada")),
        button("quick_reply", "0", {"type": "payload", "payload": "eWVz"}),
        button("quick_reply", "1", {"type": "payload", "payload": "bm8="}),
    ),
    "template, booleans": template(
        part("body", text("*Ms Hopper*")),
        button("quick_reply", 0, text(value=True)),
        button("quick_reply", 1, text(value=False)),
    ),
    "template, numbers": template(part("body", text(17), text(12.5)), button("url", 0, text(17))),
    "template, code": template(part("body", text("482910")), button("url", "0", text("482910"))),
    "template, coupon": template(
        part("body", text("Ada")),
        button("COPY_CODE", 1, {"type": "coupon_code", "coupon_code": "SPRING25"}),
    ),
    "template, offer": template(
        part("header", IMAGE),
        part("body", text("Ada")),
        part("limited_time_offer", OFFER),
        button("copy_code", 0, {"type": "coupon_code", "coupon_code": "SPRING25"}),
        button("url", 1, text("n3mtql")),
    ),
    "template, catalogue": template(part("body", text("100")), button("CATALOG", 0, THUMBNAIL)),
    "template, products": template(
        part("header", text("Ada")),
        button(
            "mpm", 0, {"type": "action", "action": {"thumbnail_product_retailer_id": "sku-1", "sections": SECTIONS}}
        ),
    ),
    "template, product": template(part("header", PRODUCT), part("body", text("15OFF", parameter_name="code"))),
    "template, flow": template(
        button("flow", "0", {"type": "action", "action": {"flow_token": "t", "flow_action_data": {"guests": None}}})
    ),
    "template, order": template(
        button("order_details", 0, {"type": "action", "action": {"order_details": ORDER["parameters"]}})
    ),
    "template, payment": template(
        button(
            "payment_request",
            "0",
            {
                "type": "action",
                "action": {
                    "payment_request": {"payment_setting": {"type": "boleto", "boleto": {"digitable_line": "0339 17"}}}
                },
            },
        )
    ),
    "template, order status": template(
        part("order_status", {"type": "order_status", "order_status": {"reference_id": "order-17"}})
    ),
    "template, call": template(
        {
            "type": "button",
            "sub_type": "voice_call",
            "parameters": [{"type": "ttl_minutes", "ttl_minutes": 100}, {"type": "payload", "payload": "desk 17"}],
        }
    ),
    "template, tap target": template(part("header", IMAGE), part("tap_target_configuration", TAP)),
    "template, in upper case": template(
        {"type": "BODY", "parameters": [{"type": "TEXT", "text": "Ada"}]}, {**button("Url", "0", text("17"))}
    ),
    "template, link to a payment": template(
        part("body", text("Ada"), text("a fee")), button("URL", 0, text("order-17", payment_link_preview=True))
    ),
    "template, carousel of media": template(
        part("body", text("Ada")),
        {
            "type": "carousel",
            "cards": [
                {
                    "card_index": n,
                    "components": [
                        part("header", {"type": "image", "image": {"id": f"{n}"}}),
                        button("quick_reply", "0", {"type": "payload", "payload": f"more-{n}"}),
                        button("url", "1", text(f"rose-{n}")),
                    ],
                }
                for n in range(3)
            ],
        },
    ),
    "template, carousel of products": template(
        {"type": "carousel", "cards": [{"card_index": n, "components": [part("header", PRODUCT)]} for n in range(2)]}
    ),
}

OF_THE_FUTURE: dict[str, Json] = {
    "parameter": template(part("body", {"type": "moon_phase", "moon_phase": {"full": True}, "since": 3})),
    "button's parameter": template(button("url", 0, text("17", tracking="off"))),
    "card": {"type": "contacts", "contacts": [{**CARD, "pronouns": "she"}]},
    "template": {
        "type": "template",
        "template": {
            "name": "pay",
            "language": {"code": "en"},
            "bid": {"most": 3},
            "components": [{**part("body", text("17")), "add_security_recommendation": True}],
        },
    },
    "link": interactive("cta_url", {"name": "cta_url", "parameters": {**URL["parameters"], "in_app": True}}),
    "action": interactive("button", {**BUTTONS, "layout": "rows"}),
    "media of a header": interactive(
        "button", BUTTONS, header={"type": "video", "video": {"id": "7", "provider": {"name": "ours"}}}
    ),
    "header": interactive("list", LIST["interactive"]["action"], header={**HEADER, "style": "bold"}),
    "language": {"type": "template", "template": {"name": "n", "language": {"code": "en", "fallback": "de"}}},
}

MARKETING: dict[str, Json] = {
    "with a policy": template(product_policy="CLOUD_API_FALLBACK", message_activity_sharing=True),
    "strict": template(part("body", text("Ada"), MONEY), product_policy="STRICT", message_activity_sharing=False),
    "sharing alone": template(message_activity_sharing=True),
}

READS: dict[str, Json] = {
    "read": {"messaging_product": "whatsapp", "status": "read", "message_id": QUOTED},
    "typing": {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": QUOTED,
        "typing_indicator": {"type": "text"},
    },
}
