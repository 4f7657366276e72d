"""What a tenant's own key may change by itself, and what Meta has to confirm first.

A key that reaches every chatbot is an operator's and needs no proof. A key that is bound to chatbots belongs to a
tenant, who may name any number. Only an access token that reaches the number shows that the number is the tenant's.
Without that rule a tenant could claim a number that another one has yet to register, or has just deactivated.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from accounts.core import DEFAULT_PLAN, AccountRequest, Document, RetentionRequest, retention_of
from common.contracts.accounts import ACTIVE
from common.errors import Forbidden, Unavailable
from common.http.auth import ApiKey

AT_ONCE: Final = 4
"""Proofs of one key at a time, because each holds a connection to Meta, and tenants share the app's limits there."""


def needs_proof(request: AccountRequest, stored: Document | None, key: ApiKey) -> bool:
    """Whether Meta has to confirm what `request` would store: a new account, an activation, another number or WABA.

    A new access or verify token for the number that the account has needs no proof: the number was proven, and a token
    that does not reach it harms the sends of this account alone.
    """
    if key.operator:
        return False
    if stored is None or stored["status"] != ACTIVE:
        return True
    moved = request.phone_number_id != stored["phoneNumberId"]
    return moved or request.waba_id not in (None, stored.get("wabaId"))


def check_plan(request: AccountRequest, stored: Document | None, key: ApiKey) -> None:
    """Raises `Forbidden` when a bound key would change the plan, whose weight decides what other tenants get.

    Repeating the plan that the account has is allowed.
    """
    present = (stored or {}).get("plan", DEFAULT_PLAN)
    if request.plan not in (None, present) and not key.operator:
        raise Forbidden(f"the plan is `{present}`; only an operator's key may change it", code="plan_is_the_operators")


def check_retention(request: AccountRequest, stored: Document | None, key: ApiKey) -> None:
    """Raises `Forbidden` when a bound key would change how long documents are kept, which the operator pays for.

    Repeating what the account has is allowed.
    """
    if request.retention is None or key.operator:
        return
    present = retention_of(stored or {}) or RetentionRequest()
    if request.retention != present:
        raise Forbidden("only an operator's key may change the retention", code="retention_is_the_operators")


class ProofSlots:
    """How many proofs of each API key are under way, by the key's name."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def taken(self, key: ApiKey) -> Iterator[None]:
        """Hold one of the key's slots; an operator's key needs none.

        Raises `Unavailable` when all are taken, so that only this tenant has to wait.
        """
        if key.operator:
            yield
            return
        if self._under_way[key.name] >= self._at_once:
            raise Unavailable(
                f"Meta is being asked about {self._at_once} accounts of this API key; try again", code="too_many_proofs"
            )
        self._under_way[key.name] += 1
        try:
            yield
        finally:
            self._under_way[key.name] -= 1
            if not self._under_way[key.name]:
                del self._under_way[key.name]
