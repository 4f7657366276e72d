"""One message of each kind that can be sent, for the end-to-end tests."""

FILE = "https://files.example/file"


def interactive(kind, action, **more):
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": "Choose"}, "action": action, **more}}


def template(*components, name="order_update"):
    content = {"name": name, "language": {"code": "en_US"}, "components": list(components)}
    return {"type": "template", "template": content}


def text(words):
    return {"type": "text", "text": words}


def url_button(words):
    return {"type": "button", "sub_type": "url", "index": 0, "parameters": [text(words)]}


def card(number):
    image = {"type": "image", "image": {"link": FILE}}
    link = {"name": "cta_url", "parameters": {"display_text": "See", "url": "https://shop.example"}}
    return {
        "card_index": number,
        "type": "cta_url",
        "header": image,
        "body": {"text": f"Card {number}"},
        "action": link,
    }


ROW = {"id": "r1", "title": "Row", "description": "The first"}
PRODUCT = {"catalog_id": "1", "product_retailer_id": "2"}
PRODUCTS = {"catalog_id": "1", "sections": [{"title": "Shoes", "product_items": [{"product_retailer_id": "2"}]}]}
SIGN_UP = {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Sign up", "flow_action": "navigate"}
ADDRESS = {"name": "address_message", "parameters": {"country": "IN"}}
CARD = {
    "name": {"formatted_name": "Ada Lovelace", "first_name": "Ada"},
    "phones": [{"phone": "+4915112345678", "type": "CELL"}],
    "emails": [{"email": "ada@mail.example"}],
    "org": {"company": "Engines"},
    "birthday": "1815-12-10",
}

# A text with HELLO in it stands for the wamid of what the customer has written.
MESSAGES = {
    "text": {"type": "text", "body": "Plain", "preview_url": False},
    "text with preview": {"type": "text", "body": f"See {FILE} 👋", "preview_url": True},
    "image": {"type": "image", "link": FILE, "caption": "A caption"},
    "video": {"type": "video", "link": FILE, "caption": "A caption"},
    "audio": {"type": "audio", "link": FILE, "voice": False},
    "document": {"type": "document", "link": FILE, "caption": "A caption", "filename": "offer.pdf"},
    "sticker": {"type": "sticker", "link": FILE},
    "location": {"type": "location", "latitude": 48.4, "longitude": -9.98, "name": "Minster", "address": "Ulm"},
    "contacts": {"type": "contacts", "contacts": [CARD]},
    "reaction": {"type": "reaction", "message_id": "HELLO", "emoji": "👍"},
    "buttons": interactive(
        "button",
        {"buttons": [{"type": "reply", "reply": {"id": f"b{n}", "title": f"Button {n}"}} for n in range(3)]},
        header={"type": "image", "image": {"link": FILE}},
        footer={"text": "A footer"},
    ),
    "list": interactive(
        "list",
        {"button": "Open", "sections": [{"title": "Section", "rows": [ROW]}]},
        header={"type": "text", "text": "A header"},
    ),
    "link": interactive(
        "cta_url", {"name": "cta_url", "parameters": {"display_text": "See", "url": "https://shop.example"}}
    ),
    "product": interactive("product", PRODUCT),
    "products": interactive("product_list", PRODUCTS, header={"type": "text", "text": "Ours"}),
    "catalogue": interactive("catalog_message", {"name": "catalog_message"}),
    "flow": interactive("flow", {"name": "flow", "parameters": SIGN_UP}),
    "location request": interactive("location_request_message", {"name": "send_location"}),
    "address": interactive("address_message", ADDRESS),
    "call permission": interactive("call_permission_request", {"name": "call_permission_request"}),
    "carousel": interactive("carousel", {"cards": [card(0), card(1)]}),
    "template": template(
        {"type": "header", "parameters": [{"type": "document", "document": {"link": FILE, "filename": "a.pdf"}}]},
        {"type": "body", "parameters": [text("Ada") | {"parameter_name": "first_name"}]},
        url_button("17"),
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": 1,
            "parameters": [{"type": "payload", "payload": "STOP"}],
        },
    ),
    "authentication template": template(
        {"type": "body", "parameters": [text("123456")]}, url_button("123456"), name="login_code"
    ),
}
