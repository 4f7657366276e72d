import pytest

from graph_emulator.graph_errors import GraphError
from graph_emulator.validation.message import check_message, check_read, recipient_of


def message(**body):
    return {"messaging_product": "whatsapp", "to": "+4915150000001"} | body


GROUP = "Y2FwaV9ncm91cDoxNTU1MDAwMDAwMToxMjAzNjMwMDAwMDAwMDAwMDAZD"


def pin(to=GROUP, recipient_type="group", **content):
    return message(to=to, recipient_type=recipient_type, type="pin", pin=content)


def code_of(body):
    with pytest.raises(GraphError) as refused:
        check_message(body)
    assert refused.value.details
    return refused.value.code


CARD = {"name": {"formatted_name": "Ada"}}

TAKEN = {
    "smallest text": message(text={"body": "x"}),
    "longest text": message(type="text", text={"body": "x" * 4096, "preview_url": True}),
    "reply": message(type="text", text={"body": "x"}, context={"message_id": "wamid.A"}),
    "callback data": message(type="text", text={"body": "x"}, biz_opaque_callback_data="x" * 512),
    "to a BSUID": message(to=None, recipient="DE.123", type="text", text={"body": "x"}),
    "image by id": message(type="image", image={"id": "1", "caption": "x" * 1024}),
    "image by link": message(type="image", image={"link": "https://example.org/a.png"}),
    "video": message(type="video", video={"id": "1"}),
    "document": message(type="document", document={"id": "1", "filename": "a.pdf", "caption": "x"}),
    "voice": message(type="audio", audio={"id": "1", "voice": True}),
    "sticker": message(type="sticker", sticker={"id": "1"}),
    "location": message(type="location", location={"latitude": "52.5", "longitude": -180, "name": "x", "address": "y"}),
    "most contacts": message(type="contacts", contacts=[CARD] * 257),
    "reaction": message(type="reaction", reaction={"message_id": "wamid.A", "emoji": "\N{THUMBS UP SIGN}"}),
    "pin": pin(type="pin", message_id="wamid.A", expiration_days=30),
    "pin as Meta's example has it": pin(type="pin", message_id="wamid.A", expiration_days="4"),
    "unpin": pin(type="unpin", message_id="wamid.A"),
    "unpin with days": pin(type="unpin", message_id="wamid.A", expiration_days=1),
    "reaction removed": message(type="reaction", reaction={"message_id": "wamid.A", "emoji": ""}),
}

REFUSED = {
    "no product": (100, {"to": "4915150000001", "text": {"body": "x"}}),
    "wrong product": (100, message(messaging_product="sms", text={"body": "x"})),
    "no recipient": (131008, message(to=None, text={"body": "x"})),
    "words as recipient": (131009, message(to="Ada", text={"body": "x"})),
    "short number": (131009, message(to="1234", text={"body": "x"})),
    "long number": (131009, message(to="1" * 16, text={"body": "x"})),
    "no BSUID": (131009, message(to=None, recipient="4915150000001", text={"body": "x"})),
    "group": (100, message(recipient_type="group", text={"body": "x"})),
    "unknown type": (131051, message(type="poll")),
    "type of another kind": (131051, message(type=["text"])),
    "type of another kind to a group": (131051, message(type=["text"], to=GROUP, recipient_type="group")),
    "misspelt parameter": (100, message(text={"body": "x"}, biz_callback_data="y")),
    "misspelt inside": (100, message(text={"body": "x", "previewUrl": True})),
    "no object": (131008, message(type="text")),
    "object of another kind": (100, message(type="text", text="Hello")),
    "no text": (131008, message(type="text", text={})),
    "empty text": (100, message(type="text", text={"body": ""})),
    "long text": (100, message(type="text", text={"body": "x" * 4097})),
    "number as text": (100, message(type="text", text={"body": 5})),
    "preview of another kind": (100, message(type="text", text={"body": "x", "preview_url": "yes"})),
    "long callback data": (100, message(text={"body": "x"}, biz_opaque_callback_data="x" * 513)),
    "context without id": (131008, message(text={"body": "x"}, context={})),
    "media without id or link": (131008, message(type="image", image={"caption": "x"})),
    "media with both": (100, message(type="image", image={"id": "1", "link": "https://example.org"})),
    "unknown policy": (100, message(text={"body": "x"}, product_policy="LAX")),
    "sharing of another kind": (100, message(text={"body": "x"}, message_activity_sharing="yes")),
    "long caption": (100, message(type="image", image={"id": "1", "caption": "x" * 1025})),
    "caption on audio": (100, message(type="audio", audio={"id": "1", "caption": "x"})),
    "filename on an image": (100, message(type="image", image={"id": "1", "filename": "x"})),
    "link to a file": (131009, message(type="image", image={"link": "file:///etc/hostname"})),
    "no longitude": (131008, message(type="location", location={"latitude": 1})),
    "latitude beyond the pole": (131009, message(type="location", location={"latitude": 90.1, "longitude": 0})),
    "latitude in words": (131009, message(type="location", location={"latitude": "north", "longitude": 0})),
    "no contacts": (131009, message(type="contacts", contacts=[])),
    "contacts beyond the limit": (131009, message(type="contacts", contacts=[CARD] * 258)),
    "contact without a name": (131008, message(type="contacts", contacts=[{"phones": []}])),
    "contact of another kind": (100, message(type="contacts", contacts=["Ada"])),
    "pin in a person's chat": (
        100,
        pin(to="+4915150000001", recipient_type="individual", type="unpin", message_id="wamid.A"),
    ),
    "pin without days": (131008, pin(type="pin", message_id="wamid.A")),
    "pin for no day": (100, pin(type="pin", message_id="wamid.A", expiration_days=0)),
    "pin for too many days": (100, pin(type="pin", message_id="wamid.A", expiration_days="31")),
    "pin for ever": (100, pin(type="pin", message_id="wamid.A", expiration_days=True)),
    "pin of nothing": (131008, pin(type="pin", expiration_days=1)),
    "other operation on a pin": (100, pin(type="repin", message_id="wamid.A", expiration_days=1)),
    "misspelt days": (100, pin(type="unpin", message_id="wamid.A", expiration=1)),
    "reaction to nothing": (131008, message(type="reaction", reaction={"emoji": "x"})),
    "reaction without emoji": (131008, message(type="reaction", reaction={"message_id": "wamid.A"})),
    "reaction as a reply": (
        100,
        message(type="reaction", reaction={"message_id": "wamid.A", "emoji": "x"}, context={"message_id": "wamid.A"}),
    ),
}


@pytest.mark.parametrize("body", TAKEN.values(), ids=TAKEN.keys())
def test_takes(body):
    assert check_message(body) == body.get("type", "text")


@pytest.mark.parametrize(("code", "body"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(code, body):
    assert code_of(body) == code


def test_to_wins_over_recipient():
    assert recipient_of({"to": "+49 151-500", "recipient": "DE.123"}) == ("49151500", False)


def test_a_bsuid_is_told_from_a_phone_number():
    assert recipient_of({"recipient": "DE.ENT.123"}) == ("DE.ENT.123", True)


def test_a_read_receipt_names_its_message():
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A"}
    assert check_read(read | {"typing_indicator": {"type": "text"}}) == "wamid.A"


@pytest.mark.parametrize(
    ("code", "change"),
    [
        (100, {"status": "delivered"}),
        (131008, {"message_id": None}),
        (100, {"typing_indicator": {"type": "audio"}}),
        (100, {"text": {"body": "x"}}),
    ],
)
def test_refuses_a_read_receipt(code, change):
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A"}
    with pytest.raises(GraphError) as refused:
        check_read(read | change)
    assert refused.value.code == code
