"""Every way to name another tenant's data over the API, and the allowed answers. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from hostile.payloads import Json, batch, public_journal_id, send

REFUSED: Final = frozenset({403, 404})


@dataclass(frozen=True, slots=True)
class Things:
    """All ids of the victim's data. `phone` wrote `inbound`, and received `wamid`."""

    chatbot_id: str
    number: str
    conversation_id: str
    message_id: str
    waiting_id: str
    """The message id of a scheduled send."""
    wamid: str
    inbound: str
    inbound_id: str
    phone: str
    cursor: str
    usage_cursor: str
    media_id: str
    canary: str
    """A word in each of its texts and metadata."""


@dataclass(frozen=True, slots=True)
class Way:
    """One call with the attacker's key. `expect` are the right statuses. No answer may show data of the
    victim."""

    name: str
    method: str
    path: str
    body: Any = None
    expect: frozenset[int] = REFUSED
    inner: frozenset[str] = frozenset()
    """The allowed codes of each refused item of a batch."""


def reads(own: str, their: Things) -> Iterator[Way]:
    """Reading: conversations, threads, messages, usage, the log."""
    journal = public_journal_id(their.chatbot_id, their.message_id)
    of_them = f"chatbotId={their.chatbot_id}"
    empty = frozenset({200, 403, 404})  # an empty list is as safe as a refusal
    yield Way("their conversations", "GET", f"/conversations?{of_them}", expect=empty)
    yield Way("one conversation", "GET", f"/conversations/{their.conversation_id}")
    yield Way("one thread", "GET", f"/conversations/{their.conversation_id}/messages")
    unknown = REFUSED | {400}  # a thread has no such parameter
    thread = f"/conversations/{their.conversation_id}/messages?{of_them}"
    yield Way("one thread, with its own filter", "GET", thread, expect=unknown)
    for name, message in {
        "wamid": their.wamid,
        "inbound wamid": their.inbound,
        "our id": journal,
        "inbound id": their.inbound_id,
        "messageId": their.message_id,
    }.items():
        told = quote(message, safe="")
        yield Way(f"a message by {name}", "GET", f"/messages/{told}")
        yield Way(f"a message by {name} and their chatbot", "GET", f"/messages/{told}?{of_them}")
        yield Way(f"a message by {name} and the own chatbot", "GET", f"/messages/{told}?chatbotId={own}")
    mine = frozenset({200, 400})  # a cursor is a place in one's own list, or refused
    yield Way("a cursor of their list", "GET", f"/conversations?cursor={their.cursor}", expect=mine)
    yield Way("a cursor of their usage", "GET", f"/usage?cursor={their.usage_cursor}", expect=mine)
    yield Way("their usage", "GET", f"/usage?{of_them}", expect=empty)
    yield Way("their usage summary", "GET", f"/usage/summary?{of_them}", expect=empty)
    yield Way("the usage summary of all", "GET", "/usage/summary", expect=frozenset({200}))
    yield Way("the usage of all", "GET", "/usage", expect=frozenset({200}))
    yield Way("the conversations of all", "GET", "/conversations", expect=frozenset({200}))
    yield Way("the webhook log", "GET", "/webhook-events", expect=frozenset({403}))
    yield Way("the webhook log of their chatbot", "GET", f"/webhook-events?{of_them}", expect=frozenset({400, 403}))


def sends(own: str, their: Things) -> Iterator[Way]:
    """Sending, looking after, cancelling."""
    of_them = f"chatbotId={their.chatbot_id}"
    yield Way("a send as them", "POST", "/send", send(their.chatbot_id, their.phone, "forged-1"))
    yield Way(
        "a send with their messageId, as them", "POST", "/send", send(their.chatbot_id, their.phone, their.message_id)
    )
    later = send(their.chatbot_id, their.phone, "forged-2", sendAt="2030-01-01T00:00:00Z")
    yield Way("a scheduled send as them", "POST", "/send", later)
    for message_id in (their.message_id, their.waiting_id):
        yield Way(f"how {message_id[-8:]} stands", "GET", f"/send/{message_id}?{of_them}")
        yield Way(f"cancel {message_id[-8:]}", "DELETE", f"/send/{message_id}?{of_them}")
        yield Way(f"how {message_id[-8:]} stands, as the own", "GET", f"/send/{message_id}?chatbotId={own}")
    refused = frozenset({"forbidden", "unknown_account"})
    item = {"to": f"+{their.phone}", "message": "forged"}
    yield Way("a batch as them", "POST", "/send/batch", batch(their.chatbot_id, [item]), frozenset({200, 403}), refused)
    mixed = batch(
        own,
        [
            {**item, "chatbotId": their.chatbot_id},
            {**item, "chatbotId": their.chatbot_id, "messageId": their.message_id},
        ],
    )
    yield Way("a batch with items of theirs", "POST", "/send/batch", mixed, frozenset({200, 403}), refused)
    yield Way("their number's limits", "GET", f"/numbers/{their.chatbot_id}")
    yield Way("an upload as them", "POST", f"/media?{of_them}", b"\x89PNG\r\n\x1a\n")


def accounts(own: str, their: Things) -> Iterator[Way]:
    """Looking at, overwriting and deactivating accounts; taking numbers."""
    secrets: Json = {"accessToken": "fake-token", "webhookVerifyToken": "fake-verify-token"}
    theirs = {"chatbotId": their.chatbot_id, "phoneNumberId": their.number, **secrets}
    yield Way("their account", "GET", f"/account/{their.chatbot_id}")
    yield Way("overwrite their account", "POST", "/account", theirs)
    yield Way("overwrite their account, after asking Meta", "POST", "/account?verify=true", theirs)
    yield Way("deactivate their account", "POST", f"/account/{their.chatbot_id}/deactivate")
    taken = frozenset({400, 403, 409, 422})
    for name, number in {"their number": their.number, "an unknown number": "106540352999999"}.items():
        body = {"chatbotId": f"{own}-7", "phoneNumberId": number, **secrets}
        yield Way(f"register {name}", "POST", "/account", body, taken)
        yield Way(f"register {name}, after asking Meta", "POST", "/account?verify=true", body, taken)
        yield Way(f"move to {name}", "POST", "/account", {**body, "chatbotId": own}, taken)
        yield Way(
            f"move to {name} with the old token", "POST", "/account", {"chatbotId": own, "phoneNumberId": number}, taken
        )


def every(own: str, their: Things) -> list[Way]:
    """The whole table."""
    return [*reads(own, their), *sends(own, their), *accounts(own, their)]


def problem_with(way: Way, status: int, answer: Json, text: str, secrets: tuple[str, ...]) -> str:
    """What is wrong with an answer, or an empty text. It may not contain any of `secrets`. Pure."""
    if status not in way.expect:
        return f"answered {status}: {text[:120]}"
    shown = [word for word in secrets if word in text]
    if shown:
        return f"shows {shown}"
    if way.inner and status == 200:
        codes = {result.get("error", {}).get("code", "taken") for result in answer["data"]["results"]}
        return "" if codes <= way.inner else f"items ended as {sorted(codes)}"
    return ""
