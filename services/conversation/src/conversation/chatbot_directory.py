"""Which chatbot a business number belongs to, from the accounts topic."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from common.contracts.accounts import AccountChanged, AccountData, Retention
from common.contracts.envelope import decode, decoder
from common.contracts.topics import ACCOUNTS
from common.kafka.consume.table import Table
from common.kafka.settings import KafkaSettings
from common.telemetry.tenants import UNKNOWN

_CATCH_UP_SECONDS: Final = 2.0
_UNKNOWN_SECONDS: Final = 10.0

_changes: Final = decoder(AccountChanged)


class ChatbotDirectory:
    """The accounts table by phone number id. If several accounts have had a number, it belongs to the active one."""

    def __init__(self, settings: KafkaSettings, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._accounts: dict[str, dict[str, AccountData]] = {}
        self._number_of: dict[str, str] = {}
        self._unknown_until: dict[str, float] = {}
        self.table: Table[AccountData] = Table(
            settings, ACCOUNTS.name, lambda value: decode(_changes, value).data, self.changed
        )

    def changed(self, chatbot_id: str, account: AccountData | None) -> None:
        """An account was created, changed or removed."""
        before = self._number_of.pop(chatbot_id, None)
        if before is not None:
            self._accounts[before].pop(chatbot_id, None)
        if account is not None:
            self._accounts.setdefault(account.phone_number_id, {})[chatbot_id] = account
            self._number_of[chatbot_id] = account.phone_number_id

    async def chatbots(self, numbers: Iterable[str]) -> dict[str, str]:
        """Phone number id → chatbot id, for those that have an account.

        For an unknown number the table first catches up with Kafka, so that an account which was acknowledged before
        this call is found. If it still is unknown, the number counts as unknown for ten seconds.
        """
        wanted = set(numbers)
        now = self._now()
        new = [n for n in wanted if not self._accounts.get(n) and self._unknown_until.get(n, 0.0) <= now]
        if new and await self.table.catch_up(_CATCH_UP_SECONDS):
            until = self._now() + _UNKNOWN_SECONDS
            self._unknown_until = {n: t for n, t in self._unknown_until.items() if t > now} | dict.fromkeys(new, until)
        found = {number: self._owner(number) for number in wanted}
        return {number: owner for number, owner in found.items() if owner is not None}

    def deactivated(self, numbers: Iterable[str]) -> frozenset[str]:
        """The numbers whose accounts are all deactivated: what comes in on them is stored and not published."""
        return frozenset(
            number
            for number in numbers
            if (owners := self._accounts.get(number)) and not any(account.active for account in owners.values())
        )

    def retention(self, chatbot_id: str) -> Retention | None:
        """How long an account keeps what is its own; None: as the service's settings say."""
        number = self._number_of.get(chatbot_id)
        return self._accounts[number][chatbot_id].retention if number is not None else None

    def tenant(self, key: bytes | None) -> str:
        """The chatbot of a record, by its Kafka key: a business number or a chatbot id; else `UNKNOWN`.

        Our own services write the keys (`contact_key`), so the tenant is known even of a record that cannot be read.
        """
        name = (key or b"").partition(b":")[0].decode("utf-8", "replace")
        owner = self._owner(name)
        return owner or (name if name in self._number_of else UNKNOWN)

    def _owner(self, number: str) -> str | None:
        owners = self._accounts.get(number, {})
        best = max(owners.values(), key=lambda account: (account.active, account.revision), default=None)
        return best.chatbot_id if best else None
