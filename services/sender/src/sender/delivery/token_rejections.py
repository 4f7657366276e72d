"""Reports to accounts that Meta rejects a token, or accepts it again: once each, in the background."""

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
    """Remembers by digest which token of an account was reported, so that probes do not report it again."""

    def __init__(self, credentials: CredentialsClient) -> None:
        self._credentials = credentials
        self._reported: dict[str, str] = {}
        self._clearing: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    def report(self, chatbot_id: str, rejected: Credentials, code: int | None) -> None:
        """Report a rejected token, unless that was done; returns at once."""
        digest = hashlib.sha256(rejected.token.get_secret_value().encode()).hexdigest()
        if self._reported.get(chatbot_id) == digest:
            return
        self._reported[chatbot_id] = digest
        self._run(self._send(chatbot_id, rejected.revision, code), "report rejected token")

    def works(self, chatbot_id: str, accepted: Credentials) -> None:
        """Report that Meta accepts a token that accounts has marked as rejected; returns at once."""
        if chatbot_id in self._clearing:
            return
        self._clearing.add(chatbot_id)
        self._reported.pop(chatbot_id, None)  # so that another rejection is reported again
        self._run(self._clear(chatbot_id, accepted.revision), "report accepted token")

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Cancel the reports under way."""
        await cancel(self._running)

    async def _send(self, chatbot_id: str, revision: int, code: int | None) -> None:
        try:
            await self._credentials.report_rejected(chatbot_id, code=code, revision=revision)
        except AppError as error:
            self._reported.pop(chatbot_id, None)  # the next probe tries again
            log.warning("could not report the rejected token to accounts", extra={"error": error.message})
        else:
            self._credentials.drop(chatbot_id)  # the next fetch has the mark
            log.warning("Meta refuses the access token of an account", extra={"chatbot_id": chatbot_id, "code": code})

    async def _clear(self, chatbot_id: str, revision: int) -> None:
        try:
            await self._credentials.report_accepted(chatbot_id, revision=revision)
        except AppError as error:  # the mark stays, and the next send tries again
            log.warning("could not report the accepted token to accounts", extra={"error": error.message})
        else:
            self._credentials.drop(chatbot_id)  # the next fetch has no mark
            log.info("Meta accepts the access token of an account again", extra={"chatbot_id": chatbot_id})
        finally:
            self._clearing.discard(chatbot_id)
