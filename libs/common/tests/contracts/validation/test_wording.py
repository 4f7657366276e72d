"""What a refused send request says: a sentence that names the field and says what to do."""

import pytest
from pydantic import ValidationError

from common.contracts.contacts import WRITE
from common.contracts.outbound.envelope import KINDS
from common.contracts.sends import SendRequest
from common.contracts.validation.known_fields import names_at, nearest
from common.contracts.validation.refusals import refusals
from common.contracts.validation.wording import EXAMPLES, example_of

TEXT = 'for example {"type": "text", "body": "Hello"}'
NESTED = '{"type": "text", "text": {"body": "Hello"}}'
TYPES = f"give a `type`: one of {', '.join(KINDS)}, read"
UNDER = (
    "`message` is missing: put Meta's object under it, beside `chatbotId` and `to`, for example"
    f' {{"chatbotId": "shop-bot", "to": "+4915112345678", "message": {NESTED}}}'
)
SIGNS = "a phone number has digits, spaces, dots, dashes and brackets only, and no extension"
META = {"messaging_product": "whatsapp", "to": "4915112345678", "type": "text", "text": {"body": "Hi"}}
FIELDS = "`chatbotId`, `to`, `message`, `metadata`, `messageId`, `replyTo`, `category`, `sendAt`, `expiresAt`"
TIME = "give a time as in RFC 3339, for example 2026-11-01T09:30:00Z"


def said(given):
    """Each wrong field with its sentence."""
    with pytest.raises(ValidationError) as caught:
        SendRequest.model_validate(given)
    return {error["field"]: error["message"] for error in refusals(caught.value, given, model=SendRequest)}


def of_message(message, **more):
    return said({"chatbotId": "b", "to": "+4915112345678", "message": message, **more})


@pytest.mark.parametrize(
    "body",
    [
        META,
        {**META, "recipient_type": "individual", "context": {"message_id": "wamid.x"}},
        {"chatbotId": "b", "to": "4915112345678", "type": "image", "image": {"link": "https://x.test/a"}},
        {"chatbotId": "b", "to": "4915112345678", "text": "Hi"},
        {**META, "message": None},
    ],
)
def test_the_body_of_metas_own_call_is_told_where_it_belongs(body):
    assert said(body) == {"message": UNDER}


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ("abc", f"{SIGNS}; {WRITE}"),
        ("", f"`to` is empty; {WRITE}"),
        ("  ", f"`to` is empty; {WRITE}"),
        (None, f"`to` is missing; {WRITE}"),
        (4915112345678, f"give `to` as a string in quotes, not as a number; {WRITE}"),
        (4915112345678.0, f"give `to` as a string in quotes, not as a number; {WRITE}"),
        (True, f"give `to` as a string, not as true; {WRITE}"),
        (["+4915112345678"], f"give `to` as a string, not as a list; {WRITE}"),
        ({"phone": "1"}, f"give `to` as a string, not as an object; {WRITE}"),
        ("0151 1234567", f"the phone number has no country code; {WRITE}"),
        ("x" * 200, f"it has 200 characters; at most 150 are allowed; {WRITE}"),
    ],
)
def test_a_wrong_recipient_always_has_the_sentence_about_recipients(to, sentence):
    assert said({"chatbotId": "b", "to": to, "message": "Hi"}) == {"to": sentence}


@pytest.mark.parametrize(
    ("message", "field", "sentence"),
    [
        ({"text": "flat"}, "message.text", f"give an object with `body`, `preview_url`, not a string; for example {NESTED}"),
        ({"type": "text", "text": ["a"]}, "message.text", f"give an object with `body`, `preview_url`, not a list; for example {NESTED}"),
        ({"type": "text"}, "message.body", f"`body` is missing; {TEXT}"),
        ({"type": "text", "text": {}}, "message.text.body", f"`body` is missing; for example {NESTED}"),
        ({"type": "text", "text": {"text": "Hi"}}, "message.text.text", "there is no field `text` here; did you mean `body`?"),
        ({"type": "image", "image": {"url": "https://x.test"}}, "message.image.url", "there is no field `url` here; did you mean `link`?"),
        ({"type": "image", "url": "https://x.test"}, "message.url", "there is no field `url` here; did you mean `link`?"),
        ({"type": "image", "mediaId": "1"}, "message.mediaId", "there is no field `mediaId` here; did you mean `id`?"),
        ({"type": "image", "image": {"id": "1", "captoin": "x"}}, "message.image.captoin", "there is no field `captoin` here; did you mean `caption`?"),
        ({"type": "image", "image": {"id": "1"}, "caption": "x"}, "message.caption", "there is no field `caption` here; it belongs under `image`"),
        ({"type": "image", "link": "shop.test/a.png"}, "message.link", "give an http or https URL"),
        ({"type": "image"}, "message", "give exactly one of `id` (uploaded media) and `link` (an http(s) URL)"),
        ({"type": "audio", "id": "1", "caption": "x"}, "message.caption", "there is no field `caption` here; there is `id`, `link`, `upload`, `voice`, `type`"),
        ({"type": "template", "name": "sale"}, "message.name", "there is no field `name` here; it belongs under `template`"),
        ({"type": "template", "template": {"name": "n", "language": "en"}}, "message.template.language", "give an object with `code`, `policy`, not a string"),
        ({"type": "location", "lat": 1, "longitude": 2}, "message.lat", "there is no field `lat` here; did you mean `latitude`?"),
        ({"type": "Text", "body": "x"}, "message", f"the type `Text` is not known; did you mean `text`? {TYPES}; {TEXT}"),
        ({"type": "picture"}, "message", f"the type `picture` is not known; did you mean `image`? {TYPES}; {TEXT}"),
        ({"type": "fax"}, "message", f"the type `fax` is not known; {TYPES}; {TEXT}"),
        ({"body": "Hi"}, "message", f"{TYPES}; {TEXT}"),
        (7, "message", f"give a string (a text) or an object with a `type`; {TEXT}"),
        ("", "message", "it must not be empty"),
        ("x" * 5_000, "message", "it has 5000 characters; at most 4096 are allowed"),
        ({"type": "text", "body": "x" * 5_000}, "message.body", "it has 5000 characters; at most 4096 are allowed"),
        ({"type": "contacts", "contacts": {}}, "message.contacts", "give a list, not an object"),
        ({"type": "interactive", "interactive": {"type": "button", "body": "x"}}, "message.interactive.body", "give an object with `text`, not a string"),
    ],
)  # fmt: skip
def test_a_message_of_another_form_says_what_to_give(message, field, sentence):
    assert of_message(message)[field] == sentence


@pytest.mark.parametrize(
    ("more", "field", "sentence"),
    [
        ({"replyto": "w"}, "replyto", "there is no field `replyto` here; did you mean `replyTo`?"),
        ({"message_ID": "w"}, "message_ID", "there is no field `message_ID` here; did you mean `messageId`?"),
        ({"zzz": 1}, "zzz", f"there is no field `zzz` here; there is {FIELDS}"),
        ({"metadata": "x"}, "metadata", "give an object, not a string"),
        ({"messageId": 5}, "messageId", "give a string, not a number"),
        ({"chatbotId": "a b"}, "chatbotId", "1 to 128 letters, digits and . _ : - are allowed"),
        ({"category": "marketing"}, "category", "give 'conversation' or 'campaign'"),
        ({"sendAt": "tomorrow"}, "sendAt", f"{TIME}, not a string"),
        ({"sendAt": "2026-12-01T10:00:00"}, "sendAt",
         "give the time with its zone: `Z` for UTC, or an offset; for example 2026-11-01T09:30:00Z"),
    ],
)  # fmt: skip
def test_a_wrong_field_of_the_request_says_what_to_give(more, field, sentence):
    assert of_message("Hi", **more)[field] == sentence


@pytest.mark.parametrize(
    ("message", "more", "field"),
    [
        ({"type": "text", "body": "Hi", "to": "+4915199999999"}, {}, "message.to"),
        ({"type": "text", "body": "Hi", "recipient_type": "group"}, {}, "message.recipient_type"),
        ({"type": "text", "body": "Hi", "context": {"message_id": "w"}}, {"replyTo": "z"}, "message.context"),
        ({"type": "reaction", "message_id": "w", "emoji": "x"}, {"replyTo": "w"}, "replyTo"),
        ("Hi", {"sendAt": "2026-11-02T00:00:00Z", "expiresAt": "2026-11-01T00:00:00Z"}, "expiresAt"),
    ],
)
def test_a_contradiction_is_an_error_of_a_field(message, more, field):
    assert list(of_message(message, **more)) == [field]


def test_a_sentence_repeats_no_value():
    assert "secret" not in str(of_message({"type": "text", "text": "secret"})["message.text"])


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_examples_would_be_taken(kind):
    for example in {example_of(kind), example_of(kind, nested=kind in KINDS and kind not in EXAMPLES[kind])}:
        SendRequest.model_validate_json(f'{{"chatbotId": "b", "to": "+4915112345678", "message": {example}}}')


def test_what_is_near_is_found_and_nothing_else():
    known = names_at(SendRequest, ())
    assert nearest("chatbot_ID", known) == nearest("bot", known) == "chatbotId"
    assert nearest("phone", known) == "to"
    assert nearest("x" * 500_000, known) is None
    assert nearest("zzz", known) is None
    assert names_at(SendRequest, ("nowhere", 0)) == names_at(None, ()) == ()
