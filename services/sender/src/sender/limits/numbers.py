"""The rate and the share of every number that this process owns.

One session at a time serves a number, so its rate is kept only here. A process that takes numbers over learns from the
journal what the previous owner has just sent. So no number exceeds Meta's rate limits while owners change.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from common.contracts.contacts import Contact
from sender.dispatch.fair_queue import Share
from sender.journal.store import JournalStore, RecentTimes
from sender.limits.rates import PAIR_BURST, PAIR_SECONDS, WINDOW_SECONDS, NumberRate, Pairs, ShortestCall
from sender.limits.recipients import Persons
from sender.records.job import lane_of

_MEMORY_SECONDS: Final = PAIR_BURST * PAIR_SECONDS
_FRESH_SECONDS: Final = 2.0


@dataclass(slots=True)
class RateLimits:
    """The rate limits of all sessions of a process. `plan_of` gives a chatbot's plan, `weights` the plan's weight.

    - `rate`: messages per second of a number until its limit is set.
    - `max_running`: how many calls of one number may be under way.
    - `pairs`: None when the limit per recipient is left to Meta.
    - `on_new`: called at a number's first use.
    """

    plan_of: Callable[[str], str]
    weights: Mapping[str, float]
    rate: float
    max_running: int
    pairs: Pairs | None = field(default_factory=Pairs)
    on_new: Callable[[str], None] = lambda _chatbot_id: None
    persons: Persons = field(default_factory=Persons)
    _numbers: dict[str, NumberRate] = field(default_factory=dict)
    _shortest_call: ShortestCall = field(default_factory=ShortestCall)

    def share_of(self, tenant: str) -> Share:
        """The share of a chatbot."""
        plan = self.plan_of(tenant)
        return Share(self.weights.get(plan, min(self.weights.values())), self.number(tenant), self.max_running)

    def number(self, tenant: str) -> NumberRate:
        """The rate of a chatbot's number."""
        rate = self._numbers.get(tenant)
        if rate is None:
            rate = self._numbers[tenant] = NumberRate(self.rate, shortest_call=self._shortest_call)
            self.on_new(tenant)
        return rate

    def numbers(self) -> Iterable[tuple[str, NumberRate]]:
        """Every chatbot whose number was used here, and its rate."""
        return self._numbers.items()

    def pair_ready_at(self, lane: str, now: float, *, campaign: bool) -> float:
        """When the next message to a recipient may go."""
        if self.pairs is None:
            return now
        return self.pairs.ready_at(self.persons.name_of(lane), now, campaign=campaign)

    def sent(self, lane: str, now: float) -> None:
        """Meta accepted a message to a recipient, or may have."""
        if self.pairs is not None:
            self.pairs.sent(self.persons.name_of(lane), now)

    def pair_refused(self, lane: str, now: float) -> None:
        """Meta has refused a message, because its recipient had too many (131056)."""
        if self.pairs is not None:
            self.pairs.refused(self.persons.name_of(lane), now)

    def learn_contact(self, chatbot_id: str, to: str | None, contact: Contact | None) -> None:
        """Meta has named a contact, maybe in answer to a send to `to`. All names of one person share a rate."""
        for name, known_as in self.persons.learn(chatbot_id, to, contact):
            if self.pairs is not None:
                self.pairs.join(name, self.persons.name_of(known_as))

    def learn(self, recent: Sequence[RecentTimes], now: float) -> None:
        """Count what the previous owners of these numbers have sent recently."""
        by_lane: dict[str, list[float]] = {}
        for sent in recent:
            self.persons.learn(sent.chatbot_id, sent.to, sent.contact)
        for sent in recent:
            times = [at.timestamp() for at in sent.times]
            # Counted as sent now, because Meta may have received it later than recorded.
            self.number(sent.chatbot_id).count(now, sum(now - at < WINDOW_SECONDS for at in times))
            by_lane.setdefault(self.persons.name_of(lane_of(sent.chatbot_id, sent.to)), []).extend(times)
        if self.pairs is not None:
            for lane, times in by_lane.items():
                self.pairs.learn(lane, sorted(times))


class Reservation:
    """One reserved message in the rate of a number: used when its call starts, or cancelled.

    The caller sets `accepted` when Meta's answer says that it takes the message.
    """

    def __init__(self, rate: NumberRate, *, paced: bool) -> None:
        self._rate = rate
        self._reserved = paced
        self._began: float | None = None
        self.accepted = False

    def used(self) -> Self:
        """A context around the call: it is entered when the call starts, and left when its answer is there."""
        return self

    def __enter__(self) -> Self:
        if self._reserved:
            self._reserved, self._began = False, time.time()
            self._rate.call_started()
        return self

    def __exit__(self, *_: object) -> None:
        if self._began is not None:
            self._rate.call_ended(self._began, time.time(), accepted=self.accepted)
            self._began = None

    def close(self) -> None:
        """Cancel the reservation, if there was no call."""
        if self._reserved:
            self._reserved = False
            self._rate.cancel()


def unpaced() -> Reservation:
    """A context for a call that counts in no number's rate."""
    return Reservation(NumberRate(), paced=False)


class RecentSends:
    """What the journal says was sent recently; read once for all sessions that begin together."""

    def __init__(self, store: JournalStore) -> None:
        self._store = store
        self._lock = asyncio.Lock()
        self._read_at = float("-inf")
        self._recent: Sequence[RecentTimes] = ()

    async def read(self) -> Sequence[RecentTimes]:
        """The recent sends, at most two seconds old. Raises `Unavailable`."""
        async with self._lock:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._recent = await self._store.sent_since(datetime.now(UTC) - timedelta(seconds=_MEMORY_SECONDS))
                self._read_at = time.monotonic()
            return self._recent
