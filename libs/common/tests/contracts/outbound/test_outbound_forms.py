"""Messages in Meta's own form: what contradicts itself is refused, with the path that its caller wrote."""

import pytest
from pydantic import ValidationError

from common.contracts.outbound import plain_json
from common.contracts.sends import SendRequest
from common.contracts.validation.refusals import refusals

TO = "+4915112345678"
WAMID = "wamid.HBgM"


def request(message, **more):
    return SendRequest.model_validate({"chatbotId": "b", "to": TO, "message": message, **more})


def refused(message, **more):
    """The wrong fields, each with its message."""
    given = {"chatbotId": "b", "to": TO, "message": message, **more}
    with pytest.raises(ValidationError) as caught:
        SendRequest.model_validate(given)
    errors = {error["field"]: error["message"] for error in refusals(caught.value, given)}
    assert errors == {error["field"]: error["message"] for error in refusals(caught.value)}
    return errors


def template(*parameters, **button):
    components = [{"type": "body", "parameters": list(parameters)}]
    components += [{"type": "button", "sub_type": "url", "index": 0, **button}] if button else []
    return {"type": "template", "template": {"name": "n", "language": {"code": "en"}, "components": components}}


@pytest.mark.parametrize(
    ("nested", "flat"),
    [
        ({"text": {"body": "Hi"}}, {"type": "text", "body": "Hi"}),
        (
            {"type": "text", "body": "Hi", "text": {"body": "Hi", "preview_url": True}},
            {"type": "text", "body": "Hi", "preview_url": True},
        ),
        ({"image": {"id": "7"}, "text": None}, {"type": "image", "id": "7"}),
        (
            {"type": "document", "document": {"link": "https://x.test/a", "upload": True}},
            {"type": "document", "link": "https://x.test/a", "upload": True},
        ),
        (
            {"status": "read", "message_id": WAMID, "typing_indicator": {"type": "text"}},
            {"type": "read", "message_id": WAMID, "typing": True},
        ),
    ],
)
def test_both_forms_are_the_same_message(nested, flat):
    assert request(nested).typed() == request(flat).typed()
    assert request(nested).kind == flat["type"]
    assert plain_json({"message": nested})["message"] == flat
    assert plain_json({"message": flat}) == {"message": flat}


@pytest.mark.parametrize(
    ("message", "field", "says"),
    [
        ({"type": "text", "text": {"body": "Hi"}, "body": "Ho"}, "message", "`body` and `text.body` contradict"),
        ({"type": "image", "image": {"id": "7"}, "id": "8"}, "message", "`id` and `image.id` contradict"),
        ({"type": "image", "text": {"body": "Hi"}}, "message", "the `type` is image, but there is `text`"),
        ({"type": "text", "body": "Hi", "image": {"id": "7"}}, "message", "there is `image`, too"),
        ({"type": "template", "text": {"body": "Hi"}, "template": {}}, "message", "there is `text`, too"),
        ({"text": {"body": "Hi"}, "image": {"id": "7"}}, "message", "give a `type`"),
        ({"body": "Hi"}, "message", "give a `type`"),
        ({"type": 7, "text": {"body": "Hi"}}, "message", "give a `type`"),
        ({"type": "text", "text": {"body": "Hi"}, "biz_opaque_callback_data": "x"}, "message", "`metadata`"),
        ({"type": "text", "text": {"body": "Hi"}, "to": "+4915199999999"}, "message.to", "different recipients"),
        ({"type": "text", "text": {"body": "Hi"}, "recipient": "DE.17"}, "message.recipient", "different recipients"),
        ({"type": "text", "text": {"body": "Hi"}, "recipient_type": "group"}, "message.recipient_type",
         "names no group"),
        ({"type": "text", "text": {"body": "Hi"}, "recipient_type": "crowd"}, "message.recipient_type", "individual"),
        ({"type": "text", "text": {"body": "Hi"}, "messaging_product": "sms"}, "message.messaging_product", "whatsapp"),
        ({"type": "text", "text": {"body": "Hi"}, "context": {}}, "message.context.message_id", "is missing"),
        ({"type": "template", "template": {"name": "n", "language": {"code": "en"}}, "marketing_lite": False,
          "product_policy": "STRICT"}, "message", "Marketing Messages API"),
    ],
)  # fmt: skip
def test_a_contradiction_is_named(message, field, says):
    errors = refused(message)
    assert list(errors) == [field]
    assert says in errors[field]


@pytest.mark.parametrize("to", ["4915112345678", "+49 151 12345678", 4915112345678])
def test_the_same_recipient_twice_is_none_and_to_wins_as_it_does_at_meta(to):
    message = {"type": "text", "text": {"body": "Hi"}, "to": to, "recipient": "DE.17"}
    assert request(message).typed().body == "Hi"


def test_two_quotes_are_a_contradiction_and_the_same_twice_is_not():
    reply = {"type": "text", "text": {"body": "Hi"}, "context": {"message_id": WAMID}}
    assert request(reply).quoted == request(reply, replyTo=WAMID).quoted == WAMID
    assert "quote different messages" in refused(reply, replyTo="wamid.other")["message.context"]
    reaction = {"type": "reaction", "reaction": {"message_id": WAMID, "emoji": "x"}, "context": {"message_id": WAMID}}
    assert "reaction" in refused(reaction)["message.context"]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"type": "text", "text": {}}, "message.text.body"),
        ({"type": "text", "text": {"body": ""}}, "message.text.body"),
        ({"type": "text", "text": {"text": "Hi"}}, "message.text.text"),
        ({"type": "text", "text": "Hi"}, "message.text"),
        ({"text": ["Hi"]}, "message.text"),
        ({"type": "text"}, "message.body"),
        ({"type": "text", "body": "Hi", "captoin": "x"}, "message.captoin"),
        ({"type": "image", "id": "7", "image_url": "x"}, "message.image_url"),
        ({"type": "image", "image": {"id": "7"}, "caption": "x"}, "message.caption"),
        ({"type": "image", "image": {"id": "7", "image": "x"}}, "message.image.image"),
        ({"type": "location", "location": {"latitude": 91, "longitude": 0}}, "message.location.latitude"),
        ({"type": "location", "location": {"location": 1, "latitude": 1, "longitude": 0}}, "message.location.location"),
        ({"type": "interactive"}, "message.interactive"),
        ({"type": "interactive", "interactive": {"type": "button"}}, "message.interactive.action"),
        ({"type": "interactive", "interactive": {"type": "list", "list": 1}}, "message.interactive.list"),
        (
            {"type": "interactive", "interactive": {"type": "button", "header": {"type": "text"}}},
            "message.interactive.header.text",
        ),
        (template({"type": "text"}), "message.template.components.0.parameters.0.text"),
        (template({"type": "image", "image": {"image": "x"}}), "message.template.components.0.parameters.0.image"),
        (template({"type": "currency"}), "message.template.components.0.parameters.0.currency"),
        (template(index=10), "message.template.components.1.index"),
        (template(index="x"), "message.template.components.1.index"),
        (template(sub_type="knob"), "message.template.components.1.sub_type"),
        (template(index=None), "message.template.components.1"),
        ({"status": "read"}, "message.message_id"),
        ({"status": "delivered", "message_id": WAMID}, "message.status"),
    ],
)
def test_a_wrong_field_has_the_path_that_was_written(message, field):
    assert field in refused(message)


WHITE_SPACE = ["a\nb", "a\r\nb", "a\tb", "a     b", "     "]


@pytest.mark.parametrize("text", WHITE_SPACE)
@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda text: template({"type": "text", "text": text}), "components.0.parameters.0.text"),
        (
            lambda text: template({"type": "text", "text": "a", "parameter_name": "n"}, {"type": "TEXT", "text": text}),
            "components.0.parameters.1.text",
        ),
        (
            lambda text: template(parameters=[{"type": "text", "text": text}]),
            "components.1.parameters.0.text",
        ),
    ],
)
def test_white_space_that_meta_refuses_is_refused_before(text, make, path):
    errors = refused(make(text))
    assert "132018" in errors[f"message.template.{path}"]


@pytest.mark.parametrize("text", WHITE_SPACE)
@pytest.mark.parametrize(
    "make",
    [
        lambda text: {"type": "currency", "currency": {"fallback_value": text, "code": "EUR", "amount_1000": 1}},
        lambda text: {"type": "date_time", "date_time": {"fallback_value": text}},
        lambda text: {"type": "location", "location": {"latitude": 1, "longitude": 2, "name": text, "address": text}},
        lambda text: {"type": "payload", "payload": text},
        lambda text: {"type": "coupon_code", "coupon_code": text},
    ],
)
def test_white_space_that_only_meta_can_judge_is_left_to_it(text, make):
    (part,) = request(template(make(text))).typed().template.components
    assert part.parameters[0].model_dump(exclude_none=True) == make(text)


def test_a_carousel_card_has_the_same_rule():
    card = {"card_index": 0, "components": [{"type": "body", "parameters": [{"type": "text", "text": "a\n"}]}]}
    message = template()
    message["template"]["components"] = [{"type": "carousel", "cards": [card]}]
    assert list(refused(message)) == ["message.template.components.0.cards.0.components.0.parameters.0.text"]


@pytest.mark.parametrize(
    "text", ["a    b", " a ", "a\u2028b", "a\u00a0\u00a0\u00a0\u00a0\u00a0b", True, False, 0, 12.5]
)
def test_other_texts_of_a_parameter_stay_as_they_are(text):
    (part,) = request(template({"type": "text", "text": text})).typed().template.components
    assert part.parameters[0].text == text
    assert type(part.parameters[0].text) is type(text)


@pytest.mark.parametrize("link", ["HTTPS://x.test/a", "Http://x.test/a", "https://x.test/Ä?q=1"])
def test_a_scheme_has_no_case(link):
    assert request({"type": "image", "link": link}).typed().link == link
    assert "message.image.link" in refused({"type": "image", "image": {"link": link.replace("://", ":/")}})


@pytest.mark.parametrize("message", ["Hi", 7, None, {"type": "fax"}, {"text": "Hi"}, {"type": "text", "text": 5}, {}])
def test_what_is_not_understood_is_kept_as_it_is(message):
    kept = plain_json({"message": message})["message"]
    assert kept in (message, isinstance(message, dict) and {**message, "type": "text"})


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("https://x.test/files/bill%2017.pdf?sig=a/b.doc#c", "bill 17.pdf"),
        ("HTTPS://x.test/R%C3%A9sum%C3%A9.DOCX", "Résumé.DOCX"),
        ("https://x.test/backup.tar.gz", "backup.tar.gz"),
        ("https://x.test/files/eyJhbGciOiJIUzI1NiJ9", None),
        ("https://x.test/download.php?file=bill.pdf", None),
        ("https://x.test/v1.2", None),
        ("https://x.test/a%0A.pdf", None),
        ("https://x.test/.pdf", None),
        ("https://x.test/", None),
        ("https://x.test", None),
        ("https://x.test?a=/b.pdf", None),
        (f"https://x.test/{'x' * 300}.pdf", None),
    ],
)
def test_a_linked_file_shows_the_name_that_its_link_ends_in(link, name):
    assert request({"type": "document", "link": link}).typed().filename == name
    assert request({"type": "document", "document": {"link": link, "filename": None}}).typed().filename == name
    header = {"type": "document", "document": {"link": link}}
    (part,) = request(template(header)).typed().template.components
    assert part.parameters[0].document.filename == name


@pytest.mark.parametrize(
    "source",
    [
        {"link": "https://x.test/a.pdf", "filename": "mine.pdf"},
        {"link": "https://x.test/a.pdf", "filename": ""},
        {"link": "https://x.test/a.pdf", "upload": True},
        {"id": "7"},
    ],
)
def test_a_name_that_was_given_stays_and_what_is_uploaded_is_named_later(source):
    assert request({"type": "document", **source}).typed().filename == source.get("filename")
    assert not hasattr(request({"type": "image", "link": "https://x.test/a.png"}).typed(), "filename")
