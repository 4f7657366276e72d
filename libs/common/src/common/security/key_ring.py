"""Envelope encryption of secrets at rest: AES-256-GCM, a data key for every write, wrapped by a key-encryption key.

A sealed secret is data: `{"v": 1, "kek": id, "wrapped": …, "nonce": …, "ciphertext": …}` (bytes). The secret's place
(chatbot id and field name) is associated data of both layers, so that a sealed value copied elsewhere does not open.
Several KEKs may be active; the primary one seals. NIST SP 800-38D: a 96-bit random nonce, and a key per write, so
that no nonce meets the same key twice.
"""

import base64
import binascii
import os
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

VERSION: Final = 1
KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_LEAST_BYTES: Final = {
    "wrapped": _NONCE_BYTES + KEY_BYTES + _TAG_BYTES,
    "nonce": 0,  # its length is exact
    "ciphertext": _TAG_BYTES,
}

Sealed = dict[str, Any]


class SecretsError(Exception):
    """A secret cannot be sealed or opened; the text says why and never holds a secret."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The key-encryption keys by id, and which of them seals."""

    keks: Mapping[str, bytes]
    primary: str

    def __post_init__(self) -> None:
        """Refuse a ring that could not seal or open."""
        if self.primary not in self.keks:
            raise SecretsError(f"the primary key-encryption key `{self.primary}` is not among the keys")
        for kek_id, kek in self.keks.items():
            if len(kek) != KEY_BYTES:
                raise SecretsError(f"key-encryption key `{kek_id}` has {len(kek)} bytes; it needs {KEY_BYTES}")

    def seal(self, secret: str, place: str) -> Sealed:
        """Encrypt `secret` for `place` under a new data key."""
        data_key = AESGCM.generate_key(bit_length=KEY_BYTES * 8)
        nonce = os.urandom(_NONCE_BYTES)
        ciphertext = AESGCM(data_key).encrypt(nonce, secret.encode(), place.encode())
        return {"v": VERSION, **self._wrap(data_key, place), "nonce": nonce, "ciphertext": ciphertext}

    def open(self, sealed: Sealed, place: str) -> str:
        """The secret. Raises `SecretsError` for an unknown key, another place, changed bytes, or none sealed."""
        parts = _parts(sealed, place)
        data_key = self._unwrap(parts, place)
        try:
            return AESGCM(data_key).decrypt(parts.nonce, parts.ciphertext, place.encode()).decode()
        except (InvalidTag, ValueError):
            raise SecretsError(f"the secret of {place} was changed or belongs elsewhere") from None

    def rewrap(self, sealed: Sealed, place: str) -> Sealed | None:
        """The same secret with its data key wrapped by the primary key; None when it is already.

        Raises `SecretsError` as `open` does, except for a changed ciphertext.
        """
        parts = _parts(sealed, place)
        if parts.kek == self.primary:
            return None
        return {**sealed, **self._wrap(self._unwrap(parts, place), place)}

    def _wrap(self, data_key: bytes, place: str) -> Sealed:
        nonce = os.urandom(_NONCE_BYTES)
        wrapped = AESGCM(self.keks[self.primary]).encrypt(nonce, data_key, self._about(self.primary, place))
        return {"kek": self.primary, "wrapped": nonce + wrapped}

    def _unwrap(self, parts: "_Parts", place: str) -> bytes:
        kek = self.keks.get(parts.kek)
        if kek is None:
            raise SecretsError(
                f"the secret of {place} is wrapped by key-encryption key `{parts.kek}`, which is not configured"
            )
        nonce, wrapped = parts.wrapped[:_NONCE_BYTES], parts.wrapped[_NONCE_BYTES:]
        try:
            return AESGCM(kek).decrypt(nonce, wrapped, self._about(parts.kek, place))
        except (InvalidTag, ValueError):
            raise SecretsError(
                f"the secret of {place} does not open with key-encryption key `{parts.kek}`: another key, or changed"
            ) from None

    @staticmethod
    def _about(kek_id: str, place: str) -> bytes:
        return f"v{VERSION}|{kek_id}|{place}".encode()


@dataclass(frozen=True, slots=True)
class _Parts:
    """A sealed secret whose fields are there, have their types and are long enough for the cipher."""

    kek: str
    wrapped: bytes
    nonce: bytes
    ciphertext: bytes


def _parts(sealed: Any, place: str) -> _Parts:
    if not isinstance(sealed, Mapping):
        raise SecretsError(f"the secret of {place} is not sealed: it is not an object")
    if type(sealed.get("v")) is not int or sealed["v"] != VERSION:
        raise SecretsError(f"the secret of {place} has the unknown format {reprlib.repr(sealed.get('v'))}")
    kek = sealed.get("kek")
    if not isinstance(kek, str):
        raise SecretsError(f"the secret of {place} does not name its key-encryption key")
    pieces = [_bytes(sealed, name, least, place) for name, least in _LEAST_BYTES.items()]
    if len(pieces[1]) != _NONCE_BYTES:
        raise SecretsError(f"the secret of {place} has a nonce of {len(pieces[1])} bytes; it needs {_NONCE_BYTES}")
    return _Parts(kek, *pieces)


def _bytes(sealed: Mapping[str, Any], name: str, least: int, place: str) -> bytes:
    value = sealed.get(name)
    if not isinstance(value, bytes) or len(value) < least:
        raise SecretsError(f"the secret of {place} has no `{name}` of {least} bytes or more")
    return value


def place_of(chatbot_id: str, field: str) -> str:
    """Where a secret belongs: the associated data of its encryption."""
    return f"{len(chatbot_id)}:{chatbot_id}/{field}"


class KeyRingSettings(BaseSettings):
    """The key-encryption keys, from the environment."""

    # A refused setting is otherwise shown with all that was given, the other keys too.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    accounts_keks: Annotated[
        dict[str, SecretStr], Field(description='key-encryption keys as JSON: {"id": "<base64 of 32 bytes>"}')
    ]
    accounts_primary_kek: Annotated[
        str, Field(description="the id of the key that seals; may be left out when there is one")
    ] = ""

    @model_validator(mode="after")
    def _usable(self) -> "KeyRingSettings":
        try:
            self.key_ring()
        except SecretsError as error:
            raise ValueError(f"ACCOUNTS_KEKS: {error}") from None
        return self

    def key_ring(self) -> KeyRing:
        """The ring. Raises `SecretsError` naming the key that is not usable."""
        keks = {kek_id: _decode(kek_id, value.get_secret_value()) for kek_id, value in self.accounts_keks.items()}
        primary = self.accounts_primary_kek or (next(iter(keks)) if len(keks) == 1 else "")
        if not keks:
            raise SecretsError("it has no key")
        if not primary:
            raise SecretsError(f"ACCOUNTS_PRIMARY_KEK must name one of its {len(keks)} keys")
        return KeyRing(keks, primary)


def _decode(kek_id: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SecretsError(f"key-encryption key `{kek_id}` is not base64") from None
