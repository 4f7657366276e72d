"""How phones behave: offline, blocked, never reading, not on WhatsApp, nameless; and every type they send."""

import pytest

from graph_emulator.messages.samples import MEDIA

ADA = "4915150000001"


async def statuses_of(rig, **message):
    await rig.accepted(**message)
    await rig.quiet()
    return [status["status"] for status in rig.receiver.statuses]


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ({}, ["sent", "delivered", "read"]),
        ({"blocked": True}, ["sent"]),
        ({"neverReads": True}, ["sent", "delivered"]),
        ({"chatOpen": True}, ["sent", "read"]),
        ({"onWhatsapp": False}, ["failed"]),
        ({"offline": True}, ["sent"]),
    ],
)
async def test_a_phone_behaves_as_it_is_told(rig, traits, expected):
    await rig.control("customers", {"phone": ADA} | traits)
    assert await statuses_of(rig) == expected


async def test_a_phone_that_comes_back_gets_what_waited(rig):
    await rig.control("customers", {"phone": ADA, "offline": True})
    assert await statuses_of(rig) == ["sent"]
    await rig.control("customers", {"phone": ADA, "offline": False})
    await rig.quiet()
    assert [status["status"] for status in rig.receiver.statuses] == ["sent", "delivered", "read"]


async def test_someone_who_is_not_on_whatsapp(rig):
    await rig.control("customers", {"phone": ADA, "onWhatsapp": False})
    await statuses_of(rig)
    (status,) = rig.receiver.statuses
    assert status["errors"][0]["code"] == 131026
    assert "contacts" not in rig.receiver.values[0]
    (entry,) = (await rig.control("ledger"))["entries"]
    assert not entry["reached"]


async def test_a_voice_note_is_played(rig):
    audio = rig.emulator.media.add(rig.phone_id, "audio/ogg", b"OggS")
    expected = ["sent", "delivered", "read", "played"]
    assert await statuses_of(rig, type="audio", text=None, audio={"id": audio.id, "voice": True}) == expected


async def test_a_reaction_is_only_ever_sent(rig):
    wamid = (await rig.inbound())["wamid"]
    reaction = {"message_id": wamid, "emoji": "\N{THUMBS UP SIGN}"}
    assert await statuses_of(rig, type="reaction", text=None, reaction=reaction) == ["sent"]


@pytest.mark.parametrize("target", ["wamid.404", "of another phone", "reaction"])
async def test_a_reaction_to_nothing_one_can_react_to_fails_later(rig, target):
    if target == "of another phone":
        target = (await rig.inbound(phone="4915150000002"))["wamid"]
    elif target == "reaction":
        target = (await rig.inbound(message={"type": "reaction"}))["wamid"]
    await rig.accepted(type="reaction", text=None, reaction={"message_id": target, "emoji": "x"})
    await rig.quiet()
    (status,) = rig.receiver.statuses
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131009)


async def test_an_identity_that_changed_fails_later(rig):
    await rig.control("customers", {"phone": ADA, "identityKeyHash": "new"})
    await rig.accepted(recipient_identity_key_hash="old")
    await rig.quiet()
    assert rig.receiver.statuses[0]["errors"][0]["code"] == 137000


async def test_a_nameless_person_is_known_by_bsuid_alone(rig):
    traits = {"phone": ADA, "withholdPhone": True, "username": "ada", "profileName": "Ada"}
    user_id = (await rig.control("customers", traits))["userId"]
    await rig.inbound(phone=ADA)
    await rig.quiet()
    (value,) = rig.receiver.values
    assert value["contacts"] == [{"profile": {"name": "Ada", "username": "ada"}, "user_id": user_id}]
    assert value["messages"][0]["from_user_id"] == user_id
    assert ADA.encode() not in rig.receiver.raw[0][1]


async def test_a_profile_name_may_come_with_the_message(rig):
    await rig.inbound(profileName="Ada")
    await rig.quiet()
    assert rig.receiver.values[0]["contacts"][0]["profile"]["name"] == "Ada"


@pytest.mark.parametrize(
    "kind",
    [
        *("text", "location", "contacts", "interactive", "button", "reaction", "order", "unsupported", "edit"),
        *("revoke", "request_welcome", "something_new"),
    ],
)
async def test_every_type_can_be_sent_by_name_alone(rig, kind):
    wamid = (await rig.inbound(message={"type": kind}))["wamid"]
    await rig.quiet()
    (message,) = rig.receiver.messages
    assert (message["id"], message["type"], message["from"]) == (wamid, kind, ADA)
    assert (kind in message) == (kind not in {"request_welcome", "something_new"})
    assert ("errors" in message) == (kind == "unsupported")


@pytest.mark.parametrize("kind", MEDIA)
async def test_media_from_a_customer_can_be_fetched(rig, kind):
    await rig.inbound(message={"type": kind, kind: {"caption": "Look"}})
    await rig.quiet()
    content = rig.receiver.messages[0][kind]
    assert content["caption"] == "Look"
    assert {"id", "mime_type", "sha256", "url"} <= content.keys()
    headers = {"Authorization": f"Bearer {rig.token}"}
    async with rig.client.session.get(content["url"], headers=headers) as answer:
        assert (answer.status, await answer.read()) == (200, MEDIA[kind][1])


async def test_what_is_given_is_kept(rig):
    reply = {"type": "list_reply", "list_reply": {"id": "1", "title": "One"}}
    await rig.inbound(message={"type": "interactive", "interactive": reply, "context": {"id": "wamid.A"}})
    await rig.inbound(message={"type": "image", "image": {"id": "77"}})
    await rig.quiet()
    first, second = rig.receiver.messages
    assert first["interactive"] == reply
    assert first["context"] == {"from": "15550001111", "id": "wamid.A"}
    assert second["image"] == {"id": "77"}


async def test_a_system_message_has_no_contacts(rig):
    await rig.inbound(message={"type": "system"})
    await rig.quiet()
    assert "contacts" not in rig.receiver.values[0]
    assert rig.receiver.messages[0]["system"]["type"] == "user_changed_number"
