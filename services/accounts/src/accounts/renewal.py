"""Renews digests of verify tokens: those from before there were keys, and those of an older key."""

import logging
import time
from collections.abc import Callable
from typing import Final

from accounts.core import Document, Keys, renewed_digest
from accounts.store import AccountStore, Expected
from common.errors import Unavailable
from common.security.key_ring import SecretsError

log = logging.getLogger(__name__)

_NOT_RENEWED: Final = "the digest of a verify token cannot be renewed"

AT_ONCE: Final = 100
"""Accounts in a round: each is a write and a record."""
PASS_SECONDS: Final = 60.0
"""Between two passes over all accounts, because another process may still make digests under an older key."""


class DigestRenewal:
    """Renews a few digests in each round, by chatbot id, and begins again some time after the last account.

    `now` is a monotonic clock in seconds.

    **Invariants:**
    - An account that was changed meanwhile is left alone (a compare-and-set on its revision).
    - An account whose secret does not open stops neither the others nor the next rounds.
    """

    def __init__(
        self, store: AccountStore, keys: Keys, *, at_once: int = AT_ONCE, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._keys = keys
        self._at_once = at_once
        self._now = now
        self._after = ""
        self._rest_until = 0.0

    async def round(self) -> list[str]:
        """Renew the next ones. Returns their chatbot ids, which have to be published. Raises `Unavailable`."""
        if self._now() < self._rest_until:
            return []
        found = await self._store.with_other_digests(self._keys.digests.primary, self._after, self._at_once)
        if len(found) < self._at_once:
            self._after, self._rest_until = "", self._now() + PASS_SECONDS
        else:
            self._after = found[-1]["_id"]
        return [document["_id"] for document in found if await self._renew(document)]

    async def _renew(self, document: Document) -> bool:
        chatbot_id = document["_id"]
        try:
            change = renewed_digest(document, self._keys)
        except SecretsError as error:
            log.warning(_NOT_RENEWED, extra={"chatbot_id": chatbot_id, "error": str(error)})
            return False
        except Exception:  # the account was changed by hand
            log.exception(_NOT_RENEWED, extra={"chatbot_id": chatbot_id})
            return False
        if change is None:
            return False
        try:
            return await self._store.update(chatbot_id, change, Expected(document.get("revision"))) is not None
        except Unavailable:
            self._after, self._rest_until = "", 0.0  # the next round starts again from the first account
            raise
