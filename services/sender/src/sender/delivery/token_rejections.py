"""Telling accounts that Meta refuses a token, and that it takes it again: once each, in the background."""

import asyncio
import hashlib
import logging
from collections.abc import Coroutine
from typing import Any

from common.errors import AppError
from common.http.clients.accounts import Credentials, CredentialsClient
from common.tasks import cancel

log = logging.getLogger(__name__)


class RejectionReports:
    """Remembers by digest which token of an account was reported, so that the pauses' probes do not repeat it."""

    def __init__(self, credentials: CredentialsClient) -> None:
        self._credentials = credentials
        self._reported: dict[str, str] = {}
        self._clearing: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    def report(self, chatbot_id: str, rejected: Credentials, code: int | None) -> None:
        """Report a refused token, unless that was done; returns at once."""
        digest = hashlib.sha256(rejected.token.get_secret_value().encode()).hexdigest()
        if self._reported.get(chatbot_id) == digest:
            return
        self._reported[chatbot_id] = digest
        self._run(self._send(chatbot_id, rejected.revision, code), "report rejected token")

    def works(self, chatbot_id: str, accepted: Credentials) -> None:
        """Report that Meta has taken a token that accounts has marked as refused; returns at once."""
        if chatbot_id in self._clearing:
            return
        self._clearing.add(chatbot_id)
        self._reported.pop(chatbot_id, None)  # if it is refused again, that is news
        self._run(self._clear(chatbot_id, accepted.revision), "report accepted token")

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Give up what is still on its way."""
        await cancel(self._running)

    async def _send(self, chatbot_id: str, revision: int, code: int | None) -> None:
        try:
            await self._credentials.report_rejected(chatbot_id, code=code, revision=revision)
        except AppError as error:
            self._reported.pop(chatbot_id, None)  # the next probe tries again
            log.warning("accounts was not told of a refused token", extra={"error": error.message})
        else:
            self._credentials.drop(chatbot_id)  # what is fetched next says that it is marked
            log.warning("Meta refuses the access token of an account", extra={"chatbot_id": chatbot_id, "code": code})

    async def _clear(self, chatbot_id: str, revision: int) -> None:
        try:
            await self._credentials.report_accepted(chatbot_id, revision=revision)
        except AppError as error:  # the mark is still there, and the next send tries again
            log.warning("could not report a token that works again to accounts", extra={"error": error.message})
        else:
            self._credentials.drop(chatbot_id)  # what is fetched next has no mark any more
            log.info("Meta takes the access token of an account again", extra={"chatbot_id": chatbot_id})
        finally:
            self._clearing.discard(chatbot_id)
