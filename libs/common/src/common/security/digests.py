"""Keyed digests (HMAC-SHA256, RFC 2104): proof that a value was made by this deployment, and look-ups by a secret.

A digest names the key that made it, so keys can be rotated: configure the new key everywhere beside the old one, then
make it the primary one, and remove the old key when nothing that it signed is still on its way.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr

KEY_BYTES: Final = 32

_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,16}")


@dataclass(frozen=True, slots=True)
class DigestKeys:
    """The keys by id, each of 32 bytes, and which of them signs. `purpose` keeps the digests of two uses apart.

    Raises `ValueError` for keys that could not sign.
    """

    keys: Mapping[str, bytes] = field(repr=False)
    primary: str

    def __post_init__(self) -> None:
        """Refuse what could not sign or would not fit where key ids travel."""
        if self.primary not in self.keys:
            raise ValueError(f"the primary key `{self.primary}` is not among the keys")
        for key_id, key in self.keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise ValueError(f"the key id `{key_id[:20]}` must be 1 to 16 of A-Z a-z 0-9 _ -")
            if len(key) != KEY_BYTES:
                raise ValueError(f"key `{key_id}` has {len(key)} bytes; it needs {KEY_BYTES}")

    def sign(self, purpose: str, *parts: str) -> tuple[str, str]:
        """The id of the primary key, and the digest (hex, 64 characters) that it gives."""
        return self.primary, _digest(self.keys[self.primary], purpose, parts)

    def digests(self, purpose: str, *parts: str) -> dict[str, str]:
        """The digest (hex) under each key, by key id."""
        return {key_id: _digest(key, purpose, parts) for key_id, key in self.keys.items()}

    def verify(self, key_id: str, digest: str, purpose: str, *parts: str) -> bool:
        """Whether the key with this id gives this digest (hex); compared in constant time. False for an unknown id.

        A digest that was shortened when it was signed is compared by what is left of it: the caller checks its length.
        """
        key = self.keys.get(key_id)
        if key is None or not digest:
            return False
        wanted = _digest(key, purpose, parts)[: len(digest)]
        return hmac.compare_digest(wanted.encode(), digest.encode("utf-8", "surrogatepass"))


def digest_keys(value: Mapping[str, SecretStr], primary: str, name: str) -> DigestKeys:
    """The keys of the setting `name` (base64 by id). `primary` may be empty when there is one key.

    Raises `ValueError` that names the setting and what is wrong, and never holds a key.
    """
    if not primary and len(value) != 1:
        primary_name = name.replace("_KEYS", "_PRIMARY_KEY")
        what = f"{primary_name} must name the one of its {len(value)} keys that signs" if value else "it has no key"
        raise ValueError(f"{name}: {what}")
    try:
        keys = {key_id: _decoded(key_id, text.get_secret_value()) for key_id, text in value.items()}
        return DigestKeys(keys, primary or next(iter(keys)))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _decoded(key_id: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"key `{key_id[:20]}` is not base64") from None


def _digest(key: bytes, purpose: str, parts: tuple[str, ...]) -> str:
    text = purpose
    for part in parts:
        text += f"|{len(part)}:{part}"
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()
