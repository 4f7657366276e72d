"""Keyed digests of webhook verify tokens: accounts makes them, ingress finds an account by one.

Both have the same keys. A rotation takes three steps: the new key everywhere beside the old one, then as the primary
one, and the old one goes when accounts has renewed every digest.
"""

from typing import Annotated, Final

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.security.digests import DigestKeys, digest_keys

PURPOSE: Final = "webhook-verify-token"
KEYS_MEANING: Final = (
    'keys of the digests by which ingress finds a verify token, as JSON: {"id": "<base64 of 32 bytes>"};'
    " the same for accounts and ingress"
)
_NAME: Final = "VERIFY_DIGEST_KEYS"


def sign_token(keys: DigestKeys, token: str) -> tuple[str, str]:
    """The id of the primary key, and the digest (hex) of `token` under it."""
    return keys.sign(PURPOSE, token)


def digests_of(keys: DigestKeys, token: str) -> set[tuple[str, str]]:
    """The id of each key with the digest of `token` (hex) under it."""
    return set(keys.digests(PURPOSE, token).items())


class VerifyDigestSettings(BaseSettings):
    """The keys, from the environment."""

    # A refused setting is otherwise shown with all that was given, the other keys too.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    verify_digest_keys: Annotated[
        dict[str, SecretStr],
        Field(default_factory=dict, description=f"{KEYS_MEANING}; with none, only the app's own token is known"),
    ]
    verify_digest_primary_key: Annotated[
        str, Field(description="the id of the key that new digests are made with; may be left out when there is one")
    ] = ""

    @model_validator(mode="after")
    def _usable_digest_keys(self) -> "VerifyDigestSettings":
        if self.verify_digest_keys:
            self.digest_keys()
        return self

    def digest_keys(self) -> DigestKeys:
        """The keys. Raises `ValueError` naming what is wrong, without a key."""
        return digest_keys(self.verify_digest_keys, self.verify_digest_primary_key, _NAME)
