"""What stands around a message's content in Meta's JSON, and which kind of message such an object is."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from common.contracts.outbound.shape import MAX_ID, Shape, Wamid

KINDS: Final = (
    *("text", "image", "video", "document", "audio", "sticker"),
    *("location", "contacts", "reaction", "interactive", "template", "pin"),
)
"""The kinds whose content Meta has under the kind's own name."""
_NAMES: Final = frozenset(KINDS)
_Name = Annotated[str | None, Field(coerce_numbers_to_str=True)]


class Context(Shape):
    """The message (a wamid) that a reply quotes."""

    message_id: Wamid


class Sent(Shape):
    """What Meta takes beside the content. All but the hash is also the request's: it has to say the same there.

    With `recipient_identity_key_hash` Meta delivers only to the identity that was seen last (error 137000 otherwise).
    """

    recipient_identity_key_hash: Annotated[str | None, Field(min_length=1, max_length=MAX_ID)] = None
    messaging_product: Literal["whatsapp"] | None = None
    recipient_type: Literal["individual", "group"] | None = None
    to: _Name = None
    recipient: _Name = None
    context: Context | None = None

    @model_validator(mode="before")
    @classmethod
    def _says_one_thing(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            _check_kind(given)
            if "biz_opaque_callback_data" in given:
                raise ValueError("`biz_opaque_callback_data` is the sender's own; use the request's `metadata`")
        return given


ENVELOPE: Final = frozenset(Sent.model_fields)


def kind_of(message: Mapping[str, Any]) -> str | None:
    """The kind of a message object; None when it does not say.

    Meta takes a message without `type`, as some of its examples are, when one content alone says what it is. A read
    mark in Meta's form has a `status` instead.
    """
    kind = message.get("type")
    if kind is not None:
        return kind if isinstance(kind, str) else None
    if message.get("status") is not None:
        return "read"
    found = [name for name in KINDS if message.get(name) is not None]
    return found[0] if len(found) == 1 else None


def _check_kind(given: Mapping[str, Any]) -> None:
    there = _NAMES & given.keys()
    if there and (other := next(iter(there - {kind_of(given)}), None)):
        raise ValueError(f"the `type` is {kind_of(given)}, but there is `{other}`, too; give one message")
