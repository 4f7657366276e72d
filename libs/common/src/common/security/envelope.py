"""Envelope encryption of secrets at rest: AES-256-GCM, a data key for every write, wrapped by a key-encryption key.

A sealed secret is data: `{"v": 1, "kek": id, "wrapped": …, "nonce": …, "ciphertext": …}` (bytes). The secret's place
(chatbot id and field name) is associated data of both layers, so that a sealed value copied elsewhere does not open.
Several KEKs may be active; the primary one seals. NIST SP 800-38D: a 96-bit random nonce, and a key per write, so
that no nonce meets the same key twice.
"""

import base64
import binascii
import os
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
        """The secret. Raises `SecretsError` for an unknown key, another place, or changed bytes."""
        data_key = self._unwrap(sealed, place)
        try:
            return AESGCM(data_key).decrypt(sealed["nonce"], sealed["ciphertext"], place.encode()).decode()
        except InvalidTag:
            raise SecretsError(f"the secret of {place} was changed or belongs elsewhere") from None

    def rewrap(self, sealed: Sealed, place: str) -> Sealed | None:
        """The same secret with its data key wrapped by the primary key; None when it is already."""
        if sealed["kek"] == self.primary:
            return None
        return {**sealed, **self._wrap(self._unwrap(sealed, place), place)}

    def _wrap(self, data_key: bytes, place: str) -> Sealed:
        nonce = os.urandom(_NONCE_BYTES)
        wrapped = AESGCM(self.keks[self.primary]).encrypt(nonce, data_key, self._about(self.primary, place))
        return {"kek": self.primary, "wrapped": nonce + wrapped}

    def _unwrap(self, sealed: Sealed, place: str) -> bytes:
        if sealed.get("v") != VERSION:
            raise SecretsError(f"the secret of {place} has the unknown format {sealed.get('v')}")
        kek_id = sealed["kek"]
        kek = self.keks.get(kek_id)
        if kek is None:
            raise SecretsError(
                f"the secret of {place} is wrapped by key-encryption key `{kek_id}`, which is not configured"
            )
        nonce, wrapped = sealed["wrapped"][:_NONCE_BYTES], sealed["wrapped"][_NONCE_BYTES:]
        try:
            return AESGCM(kek).decrypt(nonce, wrapped, self._about(kek_id, place))
        except InvalidTag:
            raise SecretsError(
                f"the secret of {place} does not open with key-encryption key `{kek_id}`: another key, or changed"
            ) from None

    @staticmethod
    def _about(kek_id: str, place: str) -> bytes:
        return f"v{VERSION}|{kek_id}|{place}".encode()


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
            raise ValueError(str(error)) from None
        return self

    def key_ring(self) -> KeyRing:
        """The ring. Raises `SecretsError` naming the key that is not usable."""
        keks = {kek_id: _decode(kek_id, value.get_secret_value()) for kek_id, value in self.accounts_keks.items()}
        primary = self.accounts_primary_kek or (next(iter(keks)) if len(keks) == 1 else "")
        if not primary:
            raise SecretsError(f"ACCOUNTS_PRIMARY_KEK must name one of the {len(keks)} keys in ACCOUNTS_KEKS")
        return KeyRing(keks, primary)


def _decode(kek_id: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SecretsError(f"key-encryption key `{kek_id}` is not base64") from None
