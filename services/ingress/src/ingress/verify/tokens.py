"""The verify tokens of active accounts, found by a keyed digest."""

import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Final

from common.contracts.accounts import AccountData, TokenDigest
from common.security.digests import DigestKeys
from common.security.verify_tokens import digests_of

log = logging.getLogger(__name__)

SALTED_PER_SECOND: Final = 200
"""Salted hashes that the whole process computes in a second, for digests from before there were keys."""


class VerifyTokens:
    """An index that follows the table of accounts.

    A request costs one HMAC for each configured key, however many accounts there are. The look-up in a dictionary is
    not of constant time. It need not be, because the client does not know the keys: it cannot choose a digest that is
    close to another one, and the time says nothing of a token. `catch_up` is that of the table; `now` is a monotonic
    clock in seconds.
    """

    def __init__(
        self,
        keys: DigestKeys | None,
        catch_up: Callable[[float], Awaitable[bool]],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._catch_up = catch_up
        self._chatbots: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._digests: dict[str, tuple[str, str]] = {}
        self._salted: dict[str, TokenDigest] = {}
        self._budget = HashBudget(SALTED_PER_SECOND, now)
        self._unknown_keys: set[str] = set()

    def changed(self, chatbot_id: str, account: AccountData | None) -> None:
        """Apply a change of the table: an account, or None when it has been removed."""
        self._forget(chatbot_id)
        if account is None or not account.active:
            return
        if account.verify_digest is not None:
            digest = (account.verify_digest.key, account.verify_digest.hmac)
            self._digests[chatbot_id] = digest
            self._chatbots[digest].add(chatbot_id)
            self._warn_of(digest[0])
        elif account.verify_token is not None:
            self._salted[chatbot_id] = account.verify_token

    def matches(self, token: str) -> bool:
        """Whether `token` is an active account's. A salted digest beyond the budget counts as no match."""
        if self._keys is not None and not self._chatbots.keys().isdisjoint(digests_of(self._keys, token)):
            return True
        return bool(self._salted) and self._is_salted(token)

    async def catch_up(self, seconds: float) -> bool:
        """Read what accounts has published until now; False when that takes longer than `seconds`."""
        return await self._catch_up(seconds)

    def _is_salted(self, token: str) -> bool:
        """Each account that was checked goes to the end, so that the next request begins with others."""
        for chatbot_id in list(islice(self._salted, self._budget.take(len(self._salted)))):
            digest = self._salted[chatbot_id] = self._salted.pop(chatbot_id)
            if digest.matches(token):
                return True
        return False

    def _forget(self, chatbot_id: str) -> None:
        self._salted.pop(chatbot_id, None)
        digest = self._digests.pop(chatbot_id, None)
        if digest is not None:
            self._chatbots[digest].discard(chatbot_id)  # two accounts may have the same token
            if not self._chatbots[digest]:
                del self._chatbots[digest]

    def _warn_of(self, key_id: str) -> None:
        """Say once that accounts uses a key that is not configured here: its verify tokens are not known."""
        known = self._keys is not None and key_id in self._keys.keys
        if not known and key_id not in self._unknown_keys:
            self._unknown_keys.add(key_id)
            log.warning(
                "accounts uses a key that VERIFY_DIGEST_KEYS does not have here: verify tokens are refused",
                extra={"key_id": key_id},
            )


class HashBudget:
    """At most `per_second` in each second, for all requests together. `now` is a clock in seconds."""

    def __init__(self, per_second: int, now: Callable[[], float]) -> None:
        self._per_second = per_second
        self._now = now
        self._begun = now()
        self._left = per_second

    def take(self, wanted: int) -> int:
        """How many of `wanted` may be done now."""
        moment = self._now()
        if moment - self._begun >= 1.0:
            self._begun, self._left = moment, self._per_second
        taken = min(wanted, self._left)
        self._left -= taken
        return taken
