"""The names of the headers that the sender writes and reads on send records, and `wa` with it.

A record on a retry topic has all of them that apply. On the send topic, which any producer writes, the sender trusts
`MESSAGE_ID` only beside one of `MOVED`.
"""

from typing import Final

ATTEMPTS: Final = "attempts"
NOT_BEFORE: Final = "not-before-ms"
MESSAGE_ID: Final = "message-id"
FIRST_FAILED_AT: Final = "first-failed-at"
REPLAY: Final = "replay"
REPLAYS: Final = "replays"
REKEYED_FROM: Final = "rekeyed-from"
RELEASED_FROM: Final = "released-from"
SET_ASIDE: Final = "set-aside"
"""Marks a record whose send has waited beside its conversation. The journal knows since when."""

ORIGIN_TOPIC: Final = "origin-topic"
ORIGIN_PARTITION: Final = "origin-partition"
ORIGIN_OFFSET: Final = "origin-offset"

MOVED: Final = frozenset({REPLAY, REKEYED_FROM, RELEASED_FROM})
"""A record with one of these was written again: moved, released or replayed."""
