"""Which links are uploaded, and that Meta sees ids in their places and nothing of ours."""

import json

import pytest
from pydantic import ValidationError

from common.contracts.sends import SendRequest
from common.meta.media.rules import Kind
from sender.delivery.payloads import payload
from sender.media.links import Linked, Ready, links_of, with_ids, with_uploads

LINK, OTHER = "https://x.test/a?sig=s", "https://x.test/b"
SOURCE = {"link": LINK, "upload": True}


def button(header):
    action = {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "Yes"}}]}
    return {
        "type": "interactive",
        "interactive": {"type": "button", "header": header, "body": {"text": "b"}, "action": action},
    }


def carousel(*sources):
    cards = [
        {"card_index": n, "type": "cta_url", "header": {"type": "image", "image": source}, "body": {"text": "c"}}
        for n, source in enumerate(sources)
    ]
    return {
        "type": "interactive",
        "interactive": {"type": "carousel", "body": {"text": "b"}, "action": {"cards": cards}},
    }


def template(kind, source):
    header = {"type": "header", "parameters": [{"type": kind, kind: source}]}
    content = {"name": "n", "language": {"code": "en"}, "components": [header]}
    return {"type": "template", "template": content}


MESSAGES = {
    "image": ({"type": "image", **SOURCE, "caption": "c"}, Kind.IMAGE),
    "video": ({"type": "video", **SOURCE}, Kind.VIDEO),
    "audio": ({"type": "audio", **SOURCE, "voice": True}, Kind.AUDIO),
    "sticker": ({"type": "sticker", **SOURCE}, Kind.STICKER),
    "document": ({"type": "document", **SOURCE, "filename": "f.pdf"}, Kind.DOCUMENT),
    "image header": (button({"type": "image", "image": SOURCE}), Kind.IMAGE),
    "document header": (button({"type": "document", "document": SOURCE}), Kind.DOCUMENT),
    "carousel": (carousel(SOURCE, SOURCE), Kind.IMAGE),
    "template image": (template("image", SOURCE), Kind.IMAGE),
    "template document": (template("document", SOURCE), Kind.DOCUMENT),
    "template gif": (template("gif", SOURCE), Kind.VIDEO),
}


def request(message):
    return SendRequest.model_validate({"chatbotId": "b", "to": "+4915112345678", "message": message})


@pytest.mark.parametrize("name", MESSAGES)
def test_a_link_gives_way_to_its_id_wherever_it_stands(name):
    message, kind = MESSAGES[name]
    given = request(message)
    assert links_of(given.typed()) == [Linked(kind, LINK)]
    before = json.dumps(message)
    made = json.loads(payload(with_ids(given, {Linked(kind, LINK): "4711"}), "j"))
    assert made.keys() == json.loads(payload(given, "j")).keys()
    sent = made[message["type"]]
    expected = json.loads(before.replace(json.dumps(SOURCE)[1:-1], '"id": "4711"'))
    expected = expected.get(message["type"], {name: value for name, value in expected.items() if name != "type"})
    assert sent == expected
    assert links_of(with_ids(given, {Linked(kind, LINK): "4711"}).typed()) == []


@pytest.mark.parametrize("name", MESSAGES)
def test_meta_never_sees_our_field(name):
    message, _ = MESSAGES[name]
    for changed in (message, json.loads(json.dumps(message).replace("true", "false"))):
        assert "upload" not in json.loads(payload(request(changed), "j"))[message["type"]].__repr__()


def test_only_what_was_asked_for_is_uploaded():
    plain = {"link": OTHER}
    given = request(carousel(SOURCE, plain, {"id": "7"}))
    assert links_of(given.typed()) == [Linked(Kind.IMAGE, LINK)]
    cards = json.loads(payload(with_ids(given, {Linked(Kind.IMAGE, LINK): "1"}), "j"))["interactive"]["action"]["cards"]
    assert [card["header"]["image"] for card in cards] == [{"id": "1"}, plain, {"id": "7"}]


@pytest.mark.parametrize(
    "message", ["text", {"type": "image", "link": LINK}, {"type": "image", "id": "7", "upload": False}]
)
def test_messages_without_such_links(message):
    assert links_of(request(message).typed()) == []


def test_what_has_an_id_is_not_uploaded():
    with pytest.raises(ValidationError, match="`upload` needs a `link`"):
        request({"type": "image", "id": "7", "upload": True})


@pytest.mark.parametrize("name", MESSAGES)
def test_a_name_is_shown_where_a_file_has_none_and_nowhere_else(name):
    message, kind = MESSAGES[name]
    made = json.loads(payload(with_uploads(request(message), {Linked(kind, LINK): Ready("4711", "bill.pdf")}), "j"))
    text = json.dumps(made[message["type"]])
    nameless = kind is Kind.DOCUMENT and "f.pdf" not in json.dumps(message)
    assert ('"filename": "bill.pdf"' in text) is nameless
    assert ('"filename": "f.pdf"' in text) is ("f.pdf" in json.dumps(message))
