"""Digests of contents: whether two requests with one message id have the same content. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from common.contracts.journal import Entry

_DIGEST: Final = 16  # hex digits: enough to distinguish two contents of one id


def digest_of(body: Mapping[str, Any] | None) -> str | None:
    """The digest of a content; None for a request that cannot be stored. Pure."""
    if body is None:
        return None
    content = {name: value for name, value in body.items() if name != "messageId"}
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:_DIGEST]


def differs(entry: Entry | None, digest: str | None) -> bool:
    """Whether the journal has another content for this message id. Pure."""
    return entry is not None and None not in (entry.digest, digest) and entry.digest != digest
