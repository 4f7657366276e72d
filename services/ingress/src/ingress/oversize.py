"""Facts that are too large for a record, for what they say is repeated around them. Pure.

A body has at most 3 MB and a record more, but a fragment's ids, names and number stand in its record twice or three
times: in the fragment, beside it, and in the key. Nothing that Meta signed is refused (P1), so where they are absurdly
long a fact goes without its key, or, if that is not enough, its fragment goes as one that is not understood.
"""

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Final

from common.contracts import webhooks
from common.contracts.ids import derive_id
from ingress.core import Fact

_NOBODY: Final = "unknown"
_LONG: Final = 256  # characters; the longest id of Meta's has a quarter of that


def keyless(fact: Fact) -> Fact:
    """The fact, to be stored wherever those of nobody are."""
    return replace(fact, key=_NOBODY)


def alone(fact: Fact, now: datetime) -> Fact:
    """The fact's fragment as one that is not understood, with nothing long beside it. It fits, as the body did."""
    data = fact.data
    kept = data.raw_base64.encode() if data.raw_base64 is not None else bytes(data.raw)
    number = _short(data.phone_number_id)
    return Fact(
        type=webhooks.UNPARSED,
        id=derive_id(webhooks.UNPARSED, hashlib.sha256(kept).hexdigest()),
        key=number or _NOBODY,
        occurred_at=now,
        data=webhooks.WebhookData(
            arrival=data.arrival,
            field=_short(data.field),
            account_id=_short(data.account_id),
            entry_time=data.entry_time,
            phone_number_id=number,
            display_phone_number=_short(data.display_phone_number),
            raw=data.raw,
            raw_base64=data.raw_base64,
            reason="too large for a record with its ids beside it",
        ),
    )


def _short(text: str | None) -> str | None:
    return text if text is not None and len(text) <= _LONG else None
