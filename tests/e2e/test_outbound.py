"""Every kind of message through real processes: what the phone's side of Meta gets is exactly what was asked for."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import ClientSession, FormData, web
from aiohttp.test_utils import TestServer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from outbound_messages import FILE, MESSAGES, SIGN_UP, card, interactive, template, text

from common.contracts.ids import journal_id, journal_id_in
from common.mongo import Mongo, MongoSettings
from common.security.callbacks import CallbackSettings
from testbed.client import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.feature("outgoing")]

READ = {"reaction": "sent"}
"""What becomes of them at last, where it is not `read`: Meta tells no more of a reaction."""


async def greeted(bot):
    """A customer has said hello, and may be written to; the wamid."""
    wamid = await bot.client.says(bot.phone(0), bot.number, "Hello")
    await bot.settled(1, 1)
    return wamid


async def post(bot, message, **fields):
    """`POST /send`; the journal id of the message."""
    request = {"chatbotId": bot.chatbot_id, "to": f"+{bot.phone(0)}", "message": message, **fields}
    answer = await bot.client.api("POST", "/send", request)
    return journal_id(bot.chatbot_id, answer["data"]["messageId"])


async def arrived(bot, journal):
    """The ledger's entry of a message, once it is there."""

    async def there():
        entries = await bot.client.received(phoneNumberId=bot.number)
        return [entry for entry in entries if journal_id_in(entry["callbackData"] or "") == journal]

    (entry,) = await eventually("the message arrives", there)
    return entry


async def ends_as(bot, journal, status):
    """Wait until the read API says so."""

    async def so():
        stored = (await bot.client.api("GET", f"/messages/{journal}", expect=None)).get("data", {})
        return stored.get("deliveryStatus") == status and stored

    return await eventually(f"the message is `{status}`", so)


def callbacks_of(system):
    """What signs this system's callback data."""
    return CallbackSettings(callback_keys={"demo": system.secret.callback_key}).callbacks()


def expected(bot, journal, message, **more):
    """What Meta has to get: its own names, as the caller gave them, under the type."""
    kind = message["type"]
    content = message.get(kind) or {name: value for name, value in message.items() if name != "type"}
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": f"+{bot.phone(0)}",
        "type": kind,
        kind: content,
        "biz_opaque_callback_data": callbacks_of(bot.system).data_of(journal, bot.number),
        **more,
    }


@pytest.mark.parametrize("name", MESSAGES)
async def test_each_kind_arrives_as_it_was_asked_for_and_is_read(name, bot):
    message = MESSAGES[name]
    if message["type"] != "template":  # to a person who never wrote
        message = json.loads(json.dumps(message).replace("HELLO", await greeted(bot)))
    journal = await post(bot, message)
    entry = await arrived(bot, journal)
    assert entry["body"] == expected(bot, journal, message)
    stored = await ends_as(bot, journal, READ.get(name, "read"))
    assert stored["wamid"] == entry["wamid"]
    assert [call["path"].rpartition("/")[2] for call in await bot.calls()][-1] == "messages"


async def test_metas_own_json_arrives_as_it_is_and_is_kept_with_its_type_and_text(bot):
    hello = await greeted(bot)
    content = {"link": "HTTPS://files.example/offer.pdf", "caption": "An offer"}
    message = {"document": {**content, "id": None}, "context": {"message_id": hello}, "type": "document", "text": None}
    journal = await post(bot, message)
    wanted = expected(bot, journal, {"type": "document", **content, "filename": "offer.pdf"})
    assert (await arrived(bot, journal))["body"] == {**wanted, "context": {"message_id": hello}}
    stored = await ends_as(bot, journal, "read")
    assert (stored["type"], stored["text"], stored["replyTo"]) == ("document", "An offer", hello)


async def test_a_marketing_template_goes_by_the_marketing_messages_api(bot):
    message = template({"type": "body", "parameters": [text("Ada")]}, name="sale")
    journal = await post(bot, {**message, "marketing_lite": True})
    assert (await arrived(bot, journal))["body"] == expected(bot, journal, message)
    await ends_as(bot, journal, "read")
    (call,) = await bot.calls()
    assert call["path"].endswith(f"/{bot.number}/marketing_messages")


async def test_a_reply_quotes_what_it_answers(bot):
    hello = await greeted(bot)
    journal = await post(bot, "This one", replyTo=hello)
    message = {"type": "text", "body": "This one", "preview_url": False}
    assert (await arrived(bot, journal))["body"] == expected(bot, journal, message, context={"message_id": hello})
    await ends_as(bot, journal, "read")


async def test_a_person_may_be_named_by_a_business_scoped_user_id(bot, client):
    await greeted(bot)
    (hello,) = await client.sent(phone=bot.phone(0))
    journal = await post(bot, "To you", to=hello["userId"])
    wanted = expected(bot, journal, {"type": "text", "body": "To you", "preview_url": False})
    del wanted["to"]
    assert (await arrived(bot, journal))["body"] == {**wanted, "recipient": hello["userId"]}
    await ends_as(bot, journal, "read")


async def test_reading_marks_what_the_customer_wrote_and_shows_typing(bot, client):
    wamid = await greeted(bot)
    before = len(await client.received(phone=bot.phone(0)))
    (hello,) = await client.sent(phone=bot.phone(0))
    assert (hello["read"], hello["typingUntilMs"]) == (False, 0)
    message = {"type": "read", "message_id": wamid, "typing": True}
    await post(bot, message, messageId="seen")

    async def marked():
        return [entry for entry in await client.sent(phone=bot.phone(0)) if entry["read"]]

    (hello,) = await eventually("the mark", marked)
    assert hello["typingUntilMs"] > time.time() * 1000
    assert len(await client.received(phone=bot.phone(0))) == before

    async def accepted():
        standing = await client.api("GET", f"/send/seen?chatbotId={bot.chatbot_id}", expect=None)
        return standing.get("data", {}).get("state") == "accepted"

    await eventually("the mark is accepted", accepted)


# Files: uploaded by the caller, or by the sender.

FILES = {
    "image": ("image/jpeg", "photo.jpg", {}),
    "video": ("video/mp4", "clip.mp4", {}),
    "audio": ("audio/mpeg", "song.mp3", {"voice": False}),
    "voice note": ("audio/ogg; codecs=opus", "note.ogg", {"voice": True}),
    "document": ("application/pdf", "offer.pdf", {"filename": "offer.pdf"}),
    "sticker": ("image/webp", "smile.webp", {}),
}
CONTENT = bytes(range(256)) * 300


async def upload(system, chatbot_id, mime_type, filename):
    """(status, answer) of `POST /media` with a form whose file comes in pieces. Past the gateway, which gathers them."""

    async def pieces():
        for start in range(0, len(CONTENT), 10_000):
            yield CONTENT[start : start + 10_000]

    form = FormData()
    form.add_field("file", pieces(), content_type=mime_type, filename=filename)
    url = f"{system.urls['sender']}/whatsapp-cloud/media?chatbotId={chatbot_id}"
    headers = {"authorization": f"Bearer {system.secret.api_key}"}
    async with ClientSession() as session, session.post(url, data=form, headers=headers) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("name", FILES)
async def test_a_file_is_uploaded_and_sent_by_its_id(name, bot, system):
    mime_type, filename, fields = FILES[name]
    await greeted(bot)
    status, answer = await upload(system, bot.chatbot_id, mime_type, filename)
    assert (status, answer["data"]["size"], answer["data"]["mimeType"]) == (200, len(CONTENT), mime_type)
    kind = "audio" if name == "voice note" else name
    message = {"type": kind, "id": answer["data"]["id"], **fields}
    journal = await post(bot, message)
    assert (await arrived(bot, journal))["body"] == expected(bot, journal, message)
    await ends_as(bot, journal, "played" if name == "voice note" else "read")


async def test_a_file_that_whatsapp_does_not_carry_is_refused_with_the_types_that_it_does(bot, system):
    status, answer = await upload(system, bot.chatbot_id, "video/x-msvideo", "clip.avi")
    assert status == 415
    assert answer["error"]["details"]["given"] == "video/x-msvideo"
    assert "video/mp4" in answer["error"]["details"]["limit"]


@pytest.fixture
async def shop():
    """A web server with an image; (its URL, how often it was fetched)."""
    fetched = []

    async def image(request):
        fetched.append(request.path)
        return web.Response(body=CONTENT, content_type="image/jpeg")

    app = web.Application()
    app.router.add_get("/{name}", image)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("/shoe.jpg")), fetched
    await server.close()


@pytest.fixture
async def made_before(system):
    """A function that makes uploads of links older than they are."""
    settings = MongoSettings(
        mongodb_uri=system.stack.mongodb_uri, mongodb_database=system.choices.extra["sender"]["MONGODB_DATABASE"]
    )
    mongo = Mongo(settings)

    async def older(media_id, age):
        at = datetime.now(UTC) - age
        changed = await mongo.database["send_media"].update_one({"mediaId": media_id}, {"$set": {"at": at}})
        assert changed.modified_count == 1

    yield older
    await mongo.close()


async def test_a_link_is_uploaded_once_and_again_when_meta_has_lost_the_file(bot, client, shop, made_before):
    link, fetched = shop
    await greeted(bot)
    image = {"link": link, "upload": True}
    framed = interactive(
        "button",
        {"buttons": [{"type": "reply", "reply": {"id": "b", "title": "Buy"}}]},
        header={"type": "image", "image": image},
    )
    first = await arrived(bot, await post(bot, {"type": "image", **image, "caption": "A shoe"}))
    second = await arrived(bot, await post(bot, framed))
    media_id = first["body"]["image"]["id"]
    assert first["body"]["image"] == {"id": media_id, "caption": "A shoe"}
    assert second["body"]["interactive"]["header"] == {"type": "image", "image": {"id": media_id}}
    assert fetched == ["/shoe.jpg"]
    await client.control("POST", "media/expire", {"mediaId": media_id})
    # What Meta took a moment ago it cannot have lost, and that would be another error.
    await made_before(media_id, timedelta(minutes=2))
    journal = await post(bot, {"type": "image", **image})
    third = (await arrived(bot, journal))["body"]["image"]
    assert third["id"] != media_id
    assert fetched == ["/shoe.jpg"] * 2
    await ends_as(bot, journal, "read")


# What is wrong is refused alike on both ways in.

MANY_BUTTONS = [{"type": "reply", "reply": {"id": f"{n}", "title": f"{n}"}} for n in range(4)]
WRONG = {
    "text": ({"type": "text", "body": "x" * 4097}, "message.body", 4096),
    "plain text": ("x" * 4097, "message", 4096),
    "caption": ({"type": "image", "link": FILE, "caption": "c" * 1025}, "message.caption", 1024),
    "filename": ({"type": "document", "link": FILE, "filename": "f" * 241}, "message.filename", 240),
    "link": ({"type": "video", "link": "ftp://files.example"}, "message.link", "^https?://"),
    "id and link": ({"type": "sticker", "id": "7", "link": FILE}, "message", None),
    "location": ({"type": "location", "latitude": 90.5, "longitude": 0}, "message.latitude", 90),
    "contacts": ({"type": "contacts", "contacts": []}, "message.contacts", 1),
    "reaction": ({"type": "reaction", "message_id": "", "emoji": "👍"}, "message.message_id", 1),
    "buttons": (interactive("button", {"buttons": MANY_BUTTONS}), "message.interactive.action.buttons", 3),
    "list": (
        interactive("list", {"button": "Open", "sections": [{"rows": [{"id": "r", "title": "t" * 25}]}]}),
        "message.interactive.action.sections.0.rows.0.title",
        24,
    ),
    "carousel": (interactive("carousel", {"cards": [card(0)]}), "message.interactive.action.cards", 2),
    "flow": (
        interactive("flow", {"name": "flow", "parameters": SIGN_UP | {"flow_cta": "c" * 31}}),
        "message.interactive.action.parameters.flow_cta",
        30,
    ),
    "template": (template(name="n" * 513), "message.template.name", 512),
    "parameter": (
        template({"type": "body", "parameters": [text("")]}),
        "message.template.components.0.parameters.0.text",
        1,
    ),
    "line break": (
        template({"type": "body", "parameters": [text("Ada\nLovelace")]}),
        "message.template.components.0.parameters.0.text",
        None,
    ),
    "text in Meta's form": ({"type": "text", "text": {"body": ""}}, "message.text.body", 1),
    "unknown field": ({"type": "image", "link": FILE, "captoin": "c"}, "message.captoin", None),
    "unknown type": ({"type": "smoke_signal"}, "message", None),
}


@pytest.fixture
async def topics(system):
    """(a producer, a reader of every `message-status` from the beginning)."""
    kafka = system.stack.kafka_bootstrap_servers
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    reader = AIOKafkaConsumer(
        "message-status", bootstrap_servers=kafka, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    async with producer, reader:
        yield producer, reader


async def statuses_of(reader, chatbot_id, count):
    """The first statuses of a chatbot's messages, by message id."""
    found = {}
    async for record in reader:
        data = json.loads(record.value)["data"]
        if data.get("chatbotId") == chatbot_id:
            found[data["messageId"]] = data
        if len(found) == count:
            return found
    raise AssertionError("a reader never ends")


async def test_what_is_wrong_is_refused_alike_by_the_api_and_by_the_topic(bot, client, topics):
    producer, reader = topics
    refused = {}
    for name, (message, _, _) in WRONG.items():
        request = {"chatbotId": bot.chatbot_id, "to": f"+{bot.phone(0)}", "message": message, "messageId": name}
        refused[name] = (await client.api("POST", "/send", request, expect=400))["error"]["details"]
        value = json.dumps(request).encode()
        await producer.send_and_wait("whatsapp-cloud-send", value, key=bot.chatbot_id.encode())
    named = {name: [(detail["field"], detail.get("limit")) for detail in refused[name]] for name in WRONG}
    wanted = {name: (field, limit) for name, (_, field, limit) in WRONG.items()}
    assert {name: pairs for name, pairs in named.items() if wanted[name] not in pairs} == {}
    told = await statuses_of(reader, bot.chatbot_id, len(WRONG))
    for name, details in refused.items():
        assert (told[name]["status"], told[name]["error"]["reason"]) == ("failed", "invalid_request")
        missing = [d for d in details if f"{d['field']}: {d['message']}" not in told[name]["error"]["details"]]
        assert missing == []
    assert await bot.calls() == []
