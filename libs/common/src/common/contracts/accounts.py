"""`whatsapp-cloud-accounts`: the present state of each account. No secret is ever in it."""

import hashlib
import hmac
from typing import Final

from common.contracts.envelope import Contract, Event

VERSION: Final = 1
CHANGED: Final = "account.changed"

ACTIVE: Final = "active"
DEACTIVATED: Final = "deactivated"


VERIFY_TOKEN_MAX: Final = 512
"""Characters of a webhook verify token: accounts refuses a longer one, and ingress does not look one up."""


class TokenDigest(Contract, frozen=True, kw_only=True):
    """A salted SHA-256 of the webhook verify token (hex both), as earlier versions published it, without a key.

    Looking a token up costs one hash for each account, so ingress checks these at a bounded rate. accounts replaces
    them by itself.
    """

    salt: str
    sha256: str

    @classmethod
    def of(cls, token: str, salt: str) -> "TokenDigest":
        """Digest `token` with `salt`, which the caller draws at random."""
        return cls(salt=salt, sha256=hashlib.sha256(f"{salt}{token}".encode()).hexdigest())

    def matches(self, token: str) -> bool:
        """Whether `token` is the digested one, compared in constant time."""
        return hmac.compare_digest(TokenDigest.of(token, self.salt).sha256, self.sha256)


class KeyedDigest(Contract, frozen=True, kw_only=True):
    """An HMAC-SHA256 of the webhook verify token (hex), and the id of its key in `VERIFY_DIGEST_KEYS`.

    ingress finds the account by it, and cannot compute the token from it.
    """

    key: str
    hmac: str


LEAST_MESSAGES_DAYS: Final = 30
"""A webhook may come again for so long: Meta repeats it for a week, and a dead letter is kept for thirty days.

What has been handled is recognised by its stored message, so that must not go earlier (promise P2).
"""


def messages_days_problem(days: int | None) -> str | None:
    """What is wrong with so many days for messages, or None."""
    if days is None or days == 0 or days >= LEAST_MESSAGES_DAYS:
        return None
    return (
        f"messages are kept for at least {LEAST_MESSAGES_DAYS} days, or for good (0): a webhook that comes again is"
        " recognised by its message. `wa erase` erases a person at once"
    )


class Retention(Contract, frozen=True, kw_only=True):
    """For how many days an account keeps its own documents, where that differs from the settings; 0: for good."""

    messages_days: int | None = None
    conversations_days: int | None = None
    usage_days: int | None = None


class AccountData(Contract, frozen=True, kw_only=True):
    """What the other services may know of an account. `revision` grows with every change: caches drop on it.

    An account has `verify_digest`, or `verify_token` until accounts has replaced that.
    """

    chatbot_id: str
    phone_number_id: str
    status: str
    revision: int
    verify_token: TokenDigest | None = None
    plan: str = "standard"
    verify_digest: KeyedDigest | None = None
    retention: Retention | None = None

    @property
    def active(self) -> bool:
        """Whether it may send."""
        return self.status == ACTIVE


class AccountChanged(Event, frozen=True, kw_only=True):
    """The account as it stands now (the topic is compacted: the last record of a key is the truth)."""

    data: AccountData
