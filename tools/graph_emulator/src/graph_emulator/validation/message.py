"""Checks bodies of `POST /{phone}/messages`: pure functions that raise `GraphError` for what Meta refuses.

One function per message type, found by name in `_TYPES`. Limits are those of Meta's pages on each message type.
"""

import re
from collections.abc import Callable

from graph_emulator.graph_errors import GraphError
from graph_emulator.validation.checks import (
    INVALID,
    MISSING,
    PARAMETER,
    Json,
    flag_if_given,
    known_keys,
    need,
    need_list,
    need_object,
    need_text,
    objects,
    one_of,
    text_if_given,
    web_link,
)
from graph_emulator.validation.interactive import check_interactive
from graph_emulator.validation.template import check_template

CALLBACK_DATA_MAX = 512
_ID_MAX = 512
_LINK_MAX = 2048
_BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
_PHONE = re.compile(r"\+?[0-9]{5,15}")
_NOT_FOR_GROUPS = frozenset({"interactive", "location", "contacts"})
_ONLY_FOR_GROUPS = frozenset({"pin"})
_DAYS = re.compile(r"[1-9]|[12][0-9]|30")
_GROUP = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_-]{8,}={0,2}")
_PUNCTUATION = str.maketrans("", "", " -().")


def check_message(body: Json) -> str:
    """The type of a message to send, after checking the whole body."""
    known_keys(body, _ENVELOPE | _TYPES.keys())
    _check_envelope(body)
    kind = body.get("type", "text")
    check = _TYPES.get(kind) if isinstance(kind, str) else None
    if check is None:
        raise GraphError(131051, f"Param type must be one of {{{', '.join(sorted(_TYPES))}}} - got {kind!r}.")
    check(body)
    return str(kind)


def check_read(body: Json) -> str:
    """The wamid of a read receipt (`status: "read"`), with or without a typing indicator."""
    known_keys(body, {"messaging_product", "status", "message_id", "typing_indicator", "recipient_type", "to"})
    _check_product(body)
    one_of(body.get("status"), {"read"}, "status")
    if "typing_indicator" in body:
        one_of(need_object(body, "typing_indicator").get("type"), {"text"}, "typing_indicator['type']")
    return need_text(body, "message_id", "", _ID_MAX)


def is_to_group(body: Json) -> bool:
    """Whether `to` is the id of a group."""
    return body.get("recipient_type") == "group"


def recipient_of(body: Json) -> tuple[str, bool]:
    """The recipient of the message: (digits of a phone number or the id of a group, False) or (BSUID, True).

    With `to` and `recipient` given, `to` wins.
    """
    if body.get("to") is not None:
        to = body["to"]
        if is_to_group(body):
            if not isinstance(to, str) or not _GROUP.fullmatch(to):
                raise GraphError(PARAMETER, f"Param 'to' must be the id of a group, got {to!r}.")
            return to, False
        digits = str(to).translate(_PUNCTUATION) if isinstance(to, str | int) else ""
        if not _PHONE.fullmatch(digits):
            raise GraphError(INVALID, f"Param 'to' must be a phone number with country code, got {to!r}.")
        return digits.lstrip("+"), False
    recipient = need(body, "recipient") if "recipient" in body else need(body, "to")
    if not isinstance(recipient, str) or not _BSUID.fullmatch(recipient):
        raise GraphError(INVALID, f"Param 'recipient' must be a business-scoped user id, got {recipient!r}.")
    return recipient, True


_ENVELOPE = frozenset(
    {
        "messaging_product",
        "recipient_type",
        "to",
        "recipient",
        "type",
        "context",
        "biz_opaque_callback_data",
        "recipient_identity_key_hash",
        "product_policy",
        "message_activity_sharing",
    }
)


def _check_product(body: Json) -> None:
    if body.get("messaging_product") != "whatsapp":
        raise GraphError(PARAMETER, "The parameter messaging_product is required and must be 'whatsapp'.")


def _check_envelope(body: Json) -> None:
    _check_product(body)
    one_of(body.get("recipient_type", "individual"), {"individual", "group"}, "recipient_type")
    text_if_given(body, "biz_opaque_callback_data", "", CALLBACK_DATA_MAX)
    text_if_given(body, "recipient_identity_key_hash", "", _ID_MAX)
    one_of(body.get("product_policy", "STRICT"), {"CLOUD_API_FALLBACK", "STRICT"}, "product_policy")
    flag_if_given(body, "message_activity_sharing", "")
    if "context" in body:
        need_text(need_object(body, "context"), "message_id", "context", _ID_MAX)
    recipient_of(body)
    kind = str(body.get("type"))
    if is_to_group(body) and kind in _NOT_FOR_GROUPS:
        raise GraphError(INVALID, f"Messages of type {kind} cannot be sent to a group.")
    if kind in _ONLY_FOR_GROUPS and not is_to_group(body):
        raise GraphError(PARAMETER, f"Messages of type {kind} can only be sent to a group.")


def _text(body: Json) -> None:
    text = need_object(body, "text")
    known_keys(text, {"body", "preview_url"}, "text")
    need_text(text, "body", "text", 4096)
    flag_if_given(text, "preview_url", "text")


def _media(kind: str, *extra: str) -> Callable[[Json], None]:
    def check(body: Json) -> None:
        media = need_object(body, kind)
        known_keys(media, {"id", "link", *extra}, kind)
        if ("id" in media) == ("link" in media):
            raise GraphError(MISSING if "id" not in media else PARAMETER, f"{kind} needs either an id or a link.")
        if "link" in media:
            web_link(need_text(media, "link", kind, _LINK_MAX), f"{kind}['link']")
        else:
            need_text(media, "id", kind, _ID_MAX)
        text_if_given(media, "caption", kind, 1024)
        text_if_given(media, "filename", kind, 240)
        flag_if_given(media, "voice", kind)

    return check


def _location(body: Json) -> None:
    location = need_object(body, "location")
    known_keys(location, {"latitude", "longitude", "name", "address", "url"}, "location")
    for key, bound in (("latitude", 90), ("longitude", 180)):
        value = need(location, key, "location")
        try:
            inside = -bound <= float(value) <= bound
        except (TypeError, ValueError):
            inside = False
        if not inside or isinstance(value, bool):
            raise GraphError(INVALID, f"location['{key}'] must be a number from -{bound} to {bound}, got {value!r}.")
    text_if_given(location, "name", "location", 1000)
    text_if_given(location, "address", "location", 1000)


def _contacts(body: Json) -> None:
    for path, card in objects(need_list(body, "contacts", "", most=257), "contacts"):
        need_text(need_object(card, "name", path), "formatted_name", f"{path}['name']", 1024)


def _reaction(body: Json) -> None:
    reaction = need_object(body, "reaction")
    known_keys(reaction, {"message_id", "emoji"}, "reaction")
    need_text(reaction, "message_id", "reaction", _ID_MAX)
    need(reaction, "emoji", "reaction")
    text_if_given(reaction, "emoji", "reaction", 32)
    if "context" in body:
        raise GraphError(PARAMETER, "A reaction cannot be a contextual reply.")


def _pin(body: Json) -> None:
    """Meta's page calls the days an integer, and its example has them in quotes: both are taken."""
    pin = need_object(body, "pin")
    known_keys(pin, {"type", "message_id", "expiration_days"}, "pin")
    what = one_of(need(pin, "type", "pin"), {"pin", "unpin"}, "pin['type']")
    need_text(pin, "message_id", "pin", _ID_MAX)
    if what == "unpin" and "expiration_days" not in pin:
        return
    days = need(pin, "expiration_days", "pin")
    if isinstance(days, bool) or not isinstance(days, int | str) or not _DAYS.fullmatch(str(days)):
        raise GraphError(PARAMETER, f"pin['expiration_days'] must be 1 to 30, got {days!r}.")


_TYPES: dict[str, Callable[[Json], None]] = {
    "text": _text,
    "image": _media("image", "caption"),
    "video": _media("video", "caption"),
    "document": _media("document", "caption", "filename"),
    "audio": _media("audio", "voice"),
    "sticker": _media("sticker"),
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "pin": _pin,
    "interactive": check_interactive,
    "template": check_template,
}
