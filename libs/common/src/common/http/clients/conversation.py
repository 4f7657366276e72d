"""Asking conversation until when people may be sent more than templates (Meta's customer service window)."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from common.http.clients.base import answer_of, call, internal_client, unavailable

MAX_PAIRS: Final = 500
"""As many pairs as one call may ask for."""

_SERVICE: Final = "conversation"


class WindowsSettings(BaseSettings):
    """How to reach the internal listener of conversation. Without its URL, windows are not checked."""

    conversation_internal_url: Annotated[
        str | None,
        Field(
            pattern="^https?://", description="the internal listener of conversation; without it no window is checked"
        ),
    ] = None
    conversation_internal_key: Annotated[
        SecretStr | None, Field(min_length=1, description="an API key with the scope `windows`")
    ] = None
    windows_timeout_seconds: Annotated[
        float, Field(gt=0, description="how long conversation may take to answer about windows")
    ] = 2.0

    @model_validator(mode="after")
    def _key_for_url(self) -> Self:
        if self.conversation_internal_url is not None and self.conversation_internal_key is None:
            raise ValueError("CONVERSATION_INTERNAL_URL needs CONVERSATION_INTERNAL_KEY")
        return self

    @property
    def windows_checked(self) -> bool:
        """Whether a `WindowsClient` can be made of these."""
        return self.conversation_internal_url is not None


class WindowsClient:
    """Windows as they are now: nothing is cached, because the next message of a person opens their window again.

    Raises `ValueError` when the settings switch the check off.
    """

    def __init__(self, settings: WindowsSettings) -> None:
        url, key = settings.conversation_internal_url, settings.conversation_internal_key
        if url is None or key is None:
            raise ValueError("CONVERSATION_INTERNAL_URL is not set: windows are not checked")
        self._seconds = settings.windows_timeout_seconds
        self._client = internal_client(url, key, self._seconds)

    async def ask(self, pairs: Sequence[tuple[str, str]]) -> Sequence[datetime | None]:
        """Until when the window is, or was, open, for each (phone number id, `to`); None: unknown.

        A time in the past is a window that is known to be closed. Unknown is that of a person who has neither written
        nor called since the number came to us: Meta may know better.

        `to` is a send request's. Above `MAX_PAIRS` it is several calls; the timeout is for all of them. Raises
        `Unavailable`.
        """
        parts = [pairs[start : start + MAX_PAIRS] for start in range(0, len(pairs), MAX_PAIRS)]
        try:
            async with asyncio.timeout(self._seconds):
                return [until for part in parts for until in await self._ask(part)]
        except TimeoutError:
            raise unavailable(_SERVICE, f"did not answer about windows within {self._seconds} s") from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, pairs: Sequence[tuple[str, str]]) -> list[datetime | None]:
        body = {"pairs": [{"phoneNumberId": number, "to": to} for number, to in pairs]}
        answer = answer_of(_SERVICE, await call(self._client, _SERVICE, "POST", "/internal/windows", json=body))
        try:
            found = [_moment(item["until"]) for item in answer["data"]]
        except (KeyError, TypeError, ValueError):
            found = []
        if len(found) != len(pairs):
            raise unavailable(_SERVICE, "gave an answer without every window")
        return found


def _moment(text: Any) -> datetime | None:
    """A time with its offset. Raises `TypeError` or `ValueError` for anything else."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without an offset")
    return moment
