"""What was refused, and the report of it, by which the sender can tell Meta's silence from ours. Pure.

A signed body that could not be stored counts at once, because Meta will deliver it again. A body with a wrong signature
counts if it names a business number of ours, because the app secret may be wrong. It may as well be a forgery. So it
counts for that number alone, is not certain at first, and is withdrawn by a body of the number that is signed well.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from common.contracts import reports
from common.contracts.accounts import AccountData
from common.contracts.envelope import encode
from common.contracts.ids import random_id
from common.contracts.reports import IngressReport, Refusals, ReportData
from common.contracts.topics import INGRESS_REPORTS
from common.kafka.records import Outgoing

CERTAIN_AFTER: Final = timedelta(seconds=10)
"""A number that has any traffic has had a well-signed body in this time, if the secret is right."""

MAX_NUMBERS: Final = 1_000
"""At most so many numbers are listed in one report."""

_FORGET_AFTER: Final = timedelta(minutes=15)
_LOOK_BYTES: Final = 64 * 1024
_MAX_NAMED: Final = 10
_NAMED: Final = re.compile(rb'"phone_number_id"\s*:\s*"(\d{1,32})"')


@dataclass(slots=True)
class RefusedWebhooks:
    """What this process has refused. `numbers` are the accounts' numbers by chatbot; `known` counts their accounts.

    `doubted` are the numbers whose bodies had a wrong signature, with the first and the last time.
    """

    numbers: dict[str, str] = field(default_factory=dict)
    known: Counter[str] = field(default_factory=Counter)
    doubted: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    _ended: list[Refusals] = field(default_factory=list)
    _signed: tuple[datetime, datetime] | None = None

    def account_changed(self, chatbot_id: str, account: AccountData | None) -> None:
        """The accounts topic has a change of an account."""
        before = self.numbers.pop(chatbot_id, None)
        if before is not None:
            self.known -= Counter([before])  # removes a number without an account
        if account is not None:
            self.numbers[chatbot_id] = account.phone_number_id
            self.known[account.phone_number_id] += 1

    def note_signed(self, now: datetime) -> None:
        """A signed body could not be stored."""
        self._signed = (self._signed[0] if self._signed else now, now)

    def note_unsigned(self, body: bytes, now: datetime) -> None:
        """A body's signature was wrong."""
        for found in islice(_NAMED.finditer(body, 0, _LOOK_BYTES), _MAX_NAMED):
            number = found[1].decode()
            if number in self.known:
                self.doubted[number] = (self.doubted.get(number, (now,))[0], now)

    def note_taken(self, keys: Iterable[str], now: datetime) -> None:
        """A signed body was stored, whose records have these keys. To be called while any number is doubted."""
        for key in keys:
            self._end(key.partition(":")[0], now)

    def take(self, now: datetime) -> tuple[Refusals, ...]:
        """The refusals to report now."""
        for number in [number for number, (_, last) in self.doubted.items() if now - last > _FORGET_AFTER]:
            self._end(number, now)
        found, self._ended = self._ended, []
        if self._signed is not None:
            found.append(Refusals(since=self._signed[0], last=self._signed[1]))
            self._signed = None
        found += _merged([self._refusals(number, now) for number in self.doubted])
        return tuple(found)

    def put_back(self, refusals: Iterable[Refusals]) -> None:
        """The report of these was not written: keep those that the next report would not have by itself."""
        self._ended += [one for one in refusals if one.phone_number_id not in self.doubted]

    def _end(self, number: str, now: datetime) -> None:
        """Its bodies are signed well now, or there are none. A short time of wrong signatures counts as a forgery."""
        if number in self.doubted:
            ended = self._refusals(number, now)
            self._ended += [ended] if ended.certain else []
            del self.doubted[number]

    def _refusals(self, number: str, now: datetime) -> Refusals:
        since, last = self.doubted[number]
        return Refusals(since=since, last=last, phone_number_id=number, certain=now - since >= CERTAIN_AFTER)


def _merged(refusals: list[Refusals]) -> list[Refusals]:
    """Refusals of too many numbers become one for all: the secret is wrong, and a report has to fit into its topic."""
    if len(refusals) <= MAX_NUMBERS:
        return refusals
    return [
        Refusals(
            since=min(one.since for one in refusals),
            last=max(one.last for one in refusals),
            certain=any(one.certain for one in refusals),
        )
    ]


def report(data: ReportData, now: datetime) -> Outgoing:
    """The record of a report."""
    event = IngressReport(
        id=random_id(),
        type=reports.REPORT,
        version=reports.VERSION,
        occurred_at=now,
        recorded_at=now,
        correlation_id=data.replica,
        data=data,
    )
    return Outgoing(INGRESS_REPORTS.name, data.replica, encode(event))
