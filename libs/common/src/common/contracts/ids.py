"""Derived ids: the same fact has the same id, in every process and at every repetition.

Every id is a UUIDv5 (RFC 9562 §5.5) of a name made of what the thing is about, so a repeat of a fact, after a
crash or a redelivery, carries the id of the first time, and readers deduplicate by the id alone.
"""

import hashlib
import random
import re
from datetime import datetime
from typing import Final
from uuid import UUID

NAMESPACE = UUID("6a3ecb56-2f9f-5c1e-9f0e-6f1f6c0c6d0a")

_hashed_namespace = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}  # RFC 9562 §4.1

CHATBOT_ID: Final = r"^[A-Za-z0-9._:-]{1,128}$"
"""What a chatbot id may be. It goes into keys, headers, labels and URLs as it is."""

MAX_MESSAGE_ID: Final = 128
"""Characters of a producer's `messageId`."""

_CHATBOT_ID: Final = re.compile(CHATBOT_ID[1:-1])

CALLBACK_PREFIX: Final = "wce:"
"""Marks our own `biz_opaque_callback_data` (`common.security.callbacks`)."""

CALLBACK_THEN: Final = ";"
"""What separates the `traceparent` in it."""

_THEN_BYTES: Final = b";00-"
_TRACED: Final = re.compile(
    rb'"biz_opaque_callback_data"\s*:\s*"wce:[0-9a-f-]{36}(?:\.[A-Za-z0-9_-]{1,16}\.[0-9a-f]{32})?'
    rb';(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})"'
)


def is_chatbot_id(text: object) -> bool:
    """Whether a chatbot can have this id: no account has any other."""
    return isinstance(text, str) and _CHATBOT_ID.fullmatch(text) is not None


def derive_id(kind: str, *parts: str) -> str:
    """A stable id for the fact `kind` about `parts`; parts may hold any text (they are length-prefixed)."""
    for part in parts:
        kind += f"|{len(part)}:{part}"
    # `str(uuid5(NAMESPACE, name))` in a third of its time: every record and document has several of these.
    hashed = _hashed_namespace.copy()
    hashed.update(kind.encode())
    name = hashed.hexdigest()
    return f"{name[:8]}-{name[8:12]}-5{name[13:16]}-{_VARIANT[name[16]]}{name[17:20]}-{name[20:32]}"


def ordered_id(at: datetime, kind: str, *parts: str) -> str:
    """A stable id as `derive_id`'s, which begins with the time `at`: what is of a later second sorts later.

    A UUIDv8 (RFC 9562 §5.8): the seconds since 1970, then the hash. The same fact must be given the same `at`.
    """
    derived = derive_id(kind, *parts)
    return f"{int(at.timestamp()) & 0xFFFF_FFFF:08x}{derived[8:14]}8{derived[15:]}"


def random_id() -> str:
    """A UUIDv4 that may be guessed: it saves the system call that a secret one needs."""
    name = f"{random.getrandbits(128):032x}"  # a name, not a secret
    return f"{name[:8]}-{name[8:12]}-4{name[13:16]}-{_VARIANT[name[16]]}{name[17:20]}-{name[20:]}"


def inbound_message_id(phone_number_id: str | None, wamid: str) -> str:
    """Our id of a customer's message. The number is in it, so the same wamid on another number is another message."""
    return derive_id("message", phone_number_id or "", wamid)


def outbound_message_id(phone_number_id: str | None, chatbot_id: str | None, wamid: str) -> str:
    """Our id of a message that another system sent from a number of this account; we know its statuses alone."""
    return derive_id("outbound", phone_number_id or "", chatbot_id or "", wamid)


def message_id_before(wamid: str) -> str:
    """Our id of a message that earlier versions stored, when the number was not in it yet."""
    return derive_id("message", wamid)


def journal_id(chatbot_id: str, message_id: str) -> str:
    """Our id of a send request; also `_id` of its journal entry and of its message document."""
    return derive_id("send", chatbot_id, message_id)


def request_id(topic: str, partition: int, offset: int, dated_at: int | None = None) -> str:
    """The message id of a request without one, by the place of its record: the same each time that it is read.

    `dated_at` is when the record was written (ms since 1970). With it, the request that a new Kafka has at the same
    place is another one.
    """
    dated = () if dated_at is None else (str(dated_at),)
    return derive_id("send-request", topic, str(partition), str(offset), *dated)


def is_message_id(value: object) -> bool:
    """Whether a producer's `messageId` is one that can name a send."""
    return isinstance(value, str) and 0 < len(value) <= MAX_MESSAGE_ID


def journal_id_in(callback: str) -> str:
    """The journal id that our callback data names, unchecked: for tools that read what they saw being sent."""
    return callback.removeprefix(CALLBACK_PREFIX).partition(CALLBACK_THEN)[0].partition(".")[0]


def traceparent_in(fragment: bytes) -> str | None:
    """The `traceparent` that our callback data carries in a status as Meta wrote it (JSON), or None."""
    if _THEN_BYTES not in fragment:  # nearly all have none, and end here
        return None
    found = _TRACED.search(fragment)
    return found[1].decode() if found else None
