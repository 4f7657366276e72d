"""Fetching an account's access token from the accounts service, for as short a time as possible.

Tokens live in this process's memory alone: for a short time, and no longer than the account's revision. Their type
does not show them (`repr` is a placeholder), so that no log, error or debugger line can.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from common.errors import NotFound
from common.http.clients.base import answer_of, call, internal_client, unavailable

log = logging.getLogger(__name__)

_SERVICE: Final = "accounts"
_TIMEOUT_SECONDS: Final = 3.0
_AT_ONCE: Final = 16
"""Fetches under way: httpx's pool looks at all that wait with each answer, so with a thousand it does nothing else."""

_KEPT_AT_MOST: Final = 10_000
"""Tokens in memory: about 10 MB. With more accounts at work, some are fetched again before their time."""

_EXPIRY_SECONDS: Final = 1.0
"""Between two looks for tokens whose time is over, so that many accounts do not cost a timer each."""


class CredentialsSettings(BaseSettings):
    """How to reach the internal listener of accounts."""

    accounts_internal_url: Annotated[
        str, Field(pattern="^https?://", description="the internal listener of accounts")
    ] = "http://localhost:8081"
    accounts_internal_key: Annotated[
        SecretStr, Field(min_length=1, description="an API key with the scope `credentials`")
    ]
    credentials_ttl_seconds: Annotated[float, Field(gt=0, description="how long a token is kept in memory")] = 60.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is needed to call Meta for an account, as of `revision`; `rejected` when Meta has refused the token."""

    phone_number_id: str
    token: SecretStr
    revision: int
    rejected: bool = False


@dataclass(slots=True)
class _Kept:
    credentials: Credentials
    until: float


class CredentialsClient:
    """Credentials by chatbot id: cached, fetched once for all who wait, dropped when the account has changed.

    **Invariants:** a token whose time is over leaves the memory by itself, and no more than `at_most` are in it; the
    oldest makes room, because it would have been the first to expire. `now` is a monotonic clock in seconds.
    """

    def __init__(
        self, settings: CredentialsSettings, *, now: Callable[[], float] = time.monotonic, at_most: int = _KEPT_AT_MOST
    ) -> None:
        self._ttl = settings.credentials_ttl_seconds
        self._now = now
        self._at_most = at_most
        self._kept: dict[str, _Kept] = {}  # the one that expires first is the first: all have the same time
        self._expiry: asyncio.TimerHandle | None = None
        self._fetching: dict[str, asyncio.Task[Credentials]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._client = internal_client(settings.accounts_internal_url, settings.accounts_internal_key, _TIMEOUT_SECONDS)

    async def get(self, chatbot_id: str, *, revision: int) -> Credentials:
        """The credentials as of `revision` or later. Raises `NotFound`, or `Unavailable` when accounts is away."""
        kept = self._kept.get(chatbot_id)
        if kept is not None and kept.until > self._now() and kept.credentials.revision >= revision:
            return kept.credentials
        task = self._fetching.get(chatbot_id)
        if task is None:
            task = asyncio.create_task(self._fetch(chatbot_id), name="fetch credentials")
            self._fetching[chatbot_id] = task
            task.add_done_callback(lambda done: self._fetched(chatbot_id, done))
        return await asyncio.shield(task)  # one waiter's cancellation must not fail the others

    def drop(self, chatbot_id: str) -> None:
        """Forget an account's token."""
        self._kept.pop(chatbot_id, None)

    async def report_rejected(self, chatbot_id: str, *, code: int | None, revision: int) -> None:
        """Tell accounts that Meta refuses the token of `revision`. Raises `Unavailable`."""
        await self._call("POST", f"{_path(chatbot_id)}/token-rejected", json={"code": code, "revision": revision})

    async def report_accepted(self, chatbot_id: str, *, revision: int) -> None:
        """Tell accounts that Meta takes the token of `revision`. Raises `Unavailable`."""
        await self._call("POST", f"{_path(chatbot_id)}/token-accepted", json={"revision": revision})

    async def close(self) -> None:
        """Forget everything and close the connections."""
        self._kept.clear()
        if self._expiry is not None:
            self._expiry.cancel()
        for task in list(self._fetching.values()):
            task.cancel()
        await self._client.aclose()

    async def _fetch(self, chatbot_id: str) -> Credentials:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise unavailable(_SERVICE, "has been asked for more than it answers in time") from None
        try:
            answer = await self._call("GET", f"{_path(chatbot_id)}/credentials")
        finally:
            self._turns.release()
        try:
            credentials = Credentials(
                answer["phoneNumberId"],
                SecretStr(answer["accessToken"]),
                revision=int(answer["revision"]),
                rejected=answer.get("tokenRejected") is True,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise unavailable(_SERVICE, "gave an answer without credentials") from error
        self._keep(chatbot_id, credentials)
        return credentials

    def _keep(self, chatbot_id: str, credentials: Credentials) -> None:
        self._kept.pop(chatbot_id, None)  # it goes to the end
        self._kept[chatbot_id] = _Kept(credentials, self._now() + self._ttl)
        if len(self._kept) > self._at_most:
            del self._kept[next(iter(self._kept))]
        if self._expiry is None:
            self._expiry = asyncio.get_running_loop().call_later(self._ttl, self._expire)

    def _expire(self) -> None:
        """Forget the tokens whose time is over, and come again for the next one."""
        now, self._expiry = self._now(), None
        while self._kept:
            first, kept = next(iter(self._kept.items()))
            if kept.until > now:
                wait = max(_EXPIRY_SECONDS, kept.until - now)
                self._expiry = asyncio.get_running_loop().call_later(wait, self._expire)
                return
            del self._kept[first]

    def _fetched(self, chatbot_id: str, task: "asyncio.Task[Credentials]") -> None:
        self._fetching.pop(chatbot_id, None)
        if not task.cancelled():
            task.exception()  # callers that still wait get it; without any, asyncio must not report it as unseen

    async def _call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        response = await call(self._client, _SERVICE, method, path, **body)
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise NotFound("accounts does not know this chatbot", code="unknown_account")
        answer = answer_of(_SERVICE, response)
        data = answer.get("data", answer)
        return data if isinstance(data, dict) else {}


def _path(chatbot_id: str) -> str:
    return f"/internal/accounts/{quote(chatbot_id, safe='')}"
