"""Whether two requests under one message id ask for the same: their contents, as digests. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from common.contracts.journal import Entry

_DIGEST: Final = 16  # hex digits: enough to tell two contents of one id apart


def digest_of(body: Mapping[str, Any] | None) -> str | None:
    """What tells two contents of one message id apart; None for a request that cannot be stored. Pure."""
    if body is None:
        return None
    content = {name: value for name, value in body.items() if name != "messageId"}
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:_DIGEST]


def differs(entry: Entry | None, digest: str | None) -> bool:
    """Whether the journal has another content under the message id. Pure."""
    return entry is not None and None not in (entry.digest, digest) and entry.digest != digest
