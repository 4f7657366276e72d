"""The callback data that goes to Meta with each send, signed, and what a status that brings it back may speak of.

Meta returns `biz_opaque_callback_data` in every status of a message, to every app that is subscribed to the number
(Meta, "status messages webhook reference"). Journal ids can be computed by anyone who knows a chatbot id and a message
id, so the data carries a digest under a key of this deployment, over the journal id and the business number. A status
speaks of a send only when the digest is right for the number on which the status arrived; nothing else is looked up.

    wce:<journal id>.<key id>.<digest, 32 hex digits>[;<traceparent>]        at most 140 characters, Meta allows 512
"""

import re
from typing import Annotated, Final

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.contracts.ids import CALLBACK_PREFIX, CALLBACK_THEN
from common.security.digests import DigestKeys, digest_keys

_PURPOSE: Final = "callback"
_DIGITS: Final = 32  # 128 bits, as many as the journal id has
_ID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OURS: Final = re.compile(rf"{CALLBACK_PREFIX}({_ID})(?:\.([A-Za-z0-9_-]{{1,16}})\.([0-9a-f]{{{_DIGITS}}}))?")


class Callbacks:
    """Makes and checks callback data. `unsigned` also accepts the data of versions that did not sign it."""

    def __init__(self, keys: DigestKeys, *, unsigned: bool = False) -> None:
        self._keys = keys
        self._unsigned = unsigned

    def data_of(self, journal_id: str, phone_number_id: str, traceparent: str | None = None) -> str:
        """The callback data of a send from this business number.

        With the `traceparent` of the call to Meta, when it is followed, so that statuses continue its trace.
        """
        key_id, digest = self._keys.sign(_PURPOSE, journal_id, phone_number_id)
        signed = f"{CALLBACK_PREFIX}{journal_id}.{key_id}.{digest[:_DIGITS]}"
        return f"{signed}{CALLBACK_THEN}{traceparent}" if traceparent else signed

    def journal_id_of(self, callback: str | None, phone_number_id: str | None) -> str | None:
        """The journal id that the data of a status names, when it was signed for the status's number; else None."""
        if callback is None or phone_number_id is None or not callback.startswith(CALLBACK_PREFIX):
            return None
        found = _OURS.fullmatch(callback.partition(CALLBACK_THEN)[0])
        if found is None:
            return None
        journal_id, key_id, digest = found.groups()
        if key_id is None:
            return journal_id if self._unsigned else None
        return journal_id if self._keys.verify(key_id, digest, _PURPOSE, journal_id, phone_number_id) else None


class CallbackSettings(BaseSettings):
    """The keys of callback data, from the environment: the same for sender and conversation."""

    # A refused setting is otherwise shown with all that was given, the other keys too.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    callback_keys: Annotated[
        dict[str, SecretStr],
        Field(
            description='keys that sign callback data, as JSON: {"id": "<base64 of 32 bytes>"}; the same for sender and'
            " conversation"
        ),
    ]
    callback_primary_key: Annotated[
        str, Field(description="the id of the key that signs; may be left out when there is one")
    ] = ""
    callback_accept_unsigned: Annotated[
        bool,
        Field(description="accept callback data of versions that did not sign it; for the minutes of an upgrade only"),
    ] = False

    @model_validator(mode="after")
    def _usable(self) -> "CallbackSettings":
        self.callbacks()
        return self

    def callbacks(self) -> Callbacks:
        """What makes and checks callback data. Raises `ValueError` naming what is not usable."""
        keys = digest_keys(self.callback_keys, self.callback_primary_key, "CALLBACK_KEYS")
        return Callbacks(keys, unsigned=self.callback_accept_unsigned)
