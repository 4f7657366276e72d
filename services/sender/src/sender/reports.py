"""Telling accounts that Meta refuses a token: once per token, in the background."""

import asyncio
import hashlib
import logging

from common.errors import AppError
from common.http.credentials import Credentials, CredentialsClient
from common.tasks import cancel

log = logging.getLogger(__name__)


class RejectionReports:
    """Remembers by digest which token of an account was reported, so that the pauses' probes do not repeat it."""

    def __init__(self, credentials: CredentialsClient) -> None:
        self._credentials = credentials
        self._reported: dict[str, str] = {}
        self._running: set[asyncio.Task[None]] = set()

    def report(self, chatbot_id: str, rejected: Credentials, code: int | None) -> None:
        """Report a refused token, unless that was done; returns at once."""
        digest = hashlib.sha256(rejected.token.get_secret_value().encode()).hexdigest()
        if self._reported.get(chatbot_id) == digest:
            return
        self._reported[chatbot_id] = digest
        task = asyncio.create_task(self._send(chatbot_id, rejected.revision, code), name="report rejected token")
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
            log.warning("Meta refuses the access token of an account", extra={"chatbot_id": chatbot_id, "code": code})
