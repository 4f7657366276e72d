"""How much of the time since a doubt began was Meta's silence, and how much was our own outage. Pure.

Ingress reports every two seconds that it takes webhooks. Time without a report of any replica, and time in which
webhooks were refused, is an *outage*: Meta will deliver a status of that time again, later. Meta does not say when
("with decreasing frequency", Webhooks overview). A client that doubles its pauses tries again, at the latest, when the
time since the first refusal has doubled. So an outage holds the clock for as long again as it lasted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from common.contracts.reports import EVERY_SECONDS, IngressReport, Refusals

STALE: Final = timedelta(seconds=3 * EVERY_SECONDS)
"""A replica that has not reported for this long counts as gone."""
MIN_HOLD: Final = timedelta(seconds=5)
MAX_HOLD: Final = timedelta(minutes=10)
_KEPT: Final = timedelta(hours=2)

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class _Last:
    """The last report of a replica."""

    at: datetime
    takes: bool
    leaving: bool
    unsure: tuple[Refusals, ...]


@dataclass(slots=True)
class WebhookReachability:
    """The times in which webhooks could reach us, from the reports of the ingress replicas.

    All times come from the hosts' wall clocks, which have to agree to about a second.
    """

    _last: dict[str, _Last] = field(default_factory=dict)
    _taking: list[Span] = field(default_factory=list)
    _refused: dict[tuple[str, str | None, datetime], datetime] = field(default_factory=dict)

    def note(self, report: IngressReport, now: datetime) -> None:
        """Note a report. Harmless to repeat."""
        data, at = report.data, min(report.recorded_at, now)
        before = self._last.get(data.replica)
        if before is not None and at <= before.at:
            return
        if not data.takes:
            self._refused[data.replica, None, at if before is None else before.at] = at
        elif before is not None and before.takes:
            if at - before.at <= STALE:
                self._taking = _joined([*self._taking, (before.at, at)])
            else:
                self._refused[data.replica, None, before.at] = before.at + STALE
        for one in data.refusals:
            if one.certain:
                self._refused[data.replica, one.phone_number_id, one.since] = min(one.last, now)
        unsure = tuple(one for one in data.refusals if not one.certain)
        self._last[data.replica] = _Last(at, data.takes, data.leaving, unsure)
        self._forget(now - _KEPT)

    def silence(self, since: datetime, until: datetime, *, phone_number_id: str | None, slack: timedelta) -> float:
        """The seconds between `since` and `until` in which a status of this number would have reached us.

        `slack` is how long before `since` Meta may have had the message, so a webhook refused in that time may be its
        status.
        """
        known = self._known(until)
        begin = since - slack
        outages = [*self._gaps(begin, known), *self._outages(known, phone_number_id)]
        held = _held([(max(start, begin), end) for start, end in outages if end > begin])
        lost = sum((_overlap(span, (since, known)) for span in held), timedelta())
        return max(0.0, (known - since - lost).total_seconds())

    def _known(self, until: datetime) -> datetime:
        """Up to when all replicas have reported their refusals; replicas that are gone do not count."""
        told = [last.at for last in self._last.values() if not last.leaving and until - last.at <= STALE]
        return min([until, *told])

    def _gaps(self, begin: datetime, end: datetime) -> Iterable[Span]:
        """The times in which no replica took webhooks."""
        at = begin
        for start, stop in self._taking:
            if start > at:
                yield at, min(start, end)
            at = max(at, stop)
        if at < end:
            yield at, end

    def _outages(self, until: datetime, phone_number_id: str | None) -> Iterable[Span]:
        """The times in which a replica refused webhooks, or was gone without a last report."""
        for (_, number, since), last in self._refused.items():
            if number in (None, phone_number_id):
                yield since, last
        for last_word in self._last.values():
            if last_word.takes and not last_word.leaving and until - last_word.at > STALE:
                yield last_word.at, last_word.at + STALE
            for one in last_word.unsure:
                if one.phone_number_id in (None, phone_number_id):
                    yield one.since, one.last

    def _forget(self, before: datetime) -> None:
        if self._taking and self._taking[0][1] < before:
            self._taking = [span for span in self._taking if span[1] >= before]
        if self._refused:
            self._refused = {key: last for key, last in self._refused.items() if last >= before}
        if len(self._last) > 1:
            self._last = {name: last for name, last in self._last.items() if last.at >= before}


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _held(outages: Iterable[Span]) -> list[Span]:
    """The outages, each with the time that it holds the clock afterwards. A refusal in that time prolongs it."""
    held: list[Span] = []
    for start, end in sorted(outages):
        if held and start <= _released(held[-1]):
            held[-1] = (held[-1][0], max(held[-1][1], end))
        else:
            held.append((start, end))
    return [(span[0], _released(span)) for span in held]


def _released(outage: Span) -> datetime:
    start, end = outage
    return end + min(max(end - start, MIN_HOLD), MAX_HOLD)


def _overlap(one: Span, other: Span) -> timedelta:
    return max(timedelta(), min(one[1], other[1]) - max(one[0], other[0]))
