"""`whatsapp-cloud-accounts`: the present state of each account. No secret is ever in it."""

import hashlib
import hmac
from typing import Final

from common.contracts.envelope import Contract, Event

VERSION: Final = 1
CHANGED: Final = "account.changed"

ACTIVE: Final = "active"
DEACTIVATED: Final = "deactivated"


class TokenDigest(Contract, frozen=True, kw_only=True):
    """A salted SHA-256 of the webhook verify token, so that ingress can check one without holding it (hex both)."""

    salt: str
    sha256: str

    @classmethod
    def of(cls, token: str, salt: str) -> "TokenDigest":
        """Digest `token` with `salt`, which the caller draws at random."""
        return cls(salt=salt, sha256=hashlib.sha256(f"{salt}{token}".encode()).hexdigest())

    def matches(self, token: str) -> bool:
        """Whether `token` is the digested one, compared in constant time."""
        return hmac.compare_digest(TokenDigest.of(token, self.salt).sha256, self.sha256)


class AccountData(Contract, frozen=True, kw_only=True):
    """What the other services may know of an account. `revision` grows with every change: caches drop on it."""

    chatbot_id: str
    phone_number_id: str
    status: str
    revision: int
    verify_token: TokenDigest | None = None
    plan: str = "standard"

    @property
    def active(self) -> bool:
        """Whether it may send."""
        return self.status == ACTIVE


class AccountChanged(Event, frozen=True, kw_only=True):
    """The account as it stands now (the topic is compacted: the last record of a key is the truth)."""

    data: AccountData
