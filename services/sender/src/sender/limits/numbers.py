"""The pace and the share of every number that this process owns.

A number is served by one session at a time, so its pace is kept here and nowhere else. Whoever takes numbers over
learns from the journal what its predecessor has just sent, so that no limit is passed while owners change.
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
from sender.limits.rates import PAIR_BURST, PAIR_SECONDS, WINDOW_SECONDS, NumberRate, Pairs
from sender.limits.recipients import Persons
from sender.records.job import lane_of

_MEMORY_SECONDS: Final = PAIR_BURST * PAIR_SECONDS
_FRESH_SECONDS: Final = 2.0


@dataclass(slots=True)
class RateLimits:
    """Of all sessions of a process. `plan_of` knows a chatbot's plan, `weights` what it is worth.

    `rate` is messages per second of a number until its limit is set; `most` how many calls of one number may be under
    way; `pairs` is None when the limit per recipient is left to Meta. `on_new` is told of a number's first use.
    """

    plan_of: Callable[[str], str]
    weights: Mapping[str, float]
    rate: float
    most: int
    pairs: Pairs | None = field(default_factory=Pairs)
    on_new: Callable[[str], None] = lambda _chatbot_id: None
    persons: Persons = field(default_factory=Persons)
    _numbers: dict[str, NumberRate] = field(default_factory=dict)

    def terms(self, group: str) -> Share:
        """How a chatbot shares."""
        plan = self.plan_of(group)
        return Share(self.weights.get(plan, min(self.weights.values())), self.number(group), self.most)

    def number(self, group: str) -> NumberRate:
        """The pace of a chatbot's number."""
        pace = self._numbers.get(group)
        if pace is None:
            pace = self._numbers[group] = NumberRate(self.rate)
            self.on_new(group)
        return pace

    def numbers(self) -> Iterable[tuple[str, NumberRate]]:
        """Every chatbot whose number was used here, and its pace."""
        return self._numbers.items()

    def pair_ready_at(self, lane: str, now: float, *, campaign: bool) -> float:
        """When the next message to a recipient may go."""
        if self.pairs is None:
            return now
        return self.pairs.ready_at(self.persons.named(lane), now, campaign=campaign)

    def taken(self, lane: str, now: float) -> None:
        """Meta took a message to a recipient, or may have."""
        if self.pairs is not None:
            self.pairs.went(self.persons.named(lane), now)

    def pair_refused(self, lane: str, now: float) -> None:
        """Meta has refused a message, because its recipient had too many (131056)."""
        if self.pairs is not None:
            self.pairs.refused(self.persons.named(lane), now)

    def met(self, chatbot_id: str, to: str | None, contact: Contact | None) -> None:
        """Meta has named a contact, maybe in answer to a send to `to`: other names of the same person share a pace."""
        for name, known_as in self.persons.met(chatbot_id, to, contact):
            if self.pairs is not None:
                self.pairs.join(name, self.persons.named(known_as))

    def learn(self, lately: Sequence[RecentTimes], now: float) -> None:
        """What was sent lately by whoever had these numbers before."""
        by_lane: dict[str, list[float]] = {}
        for sent in lately:
            self.persons.met(sent.chatbot_id, sent.to, sent.contact)
        for sent in lately:
            times = [at.timestamp() for at in sent.times]
            # Counted as if now: it may have reached Meta later than its sender thought.
            self.number(sent.chatbot_id).came(now, sum(now - at < WINDOW_SECONDS for at in times))
            by_lane.setdefault(self.persons.named(lane_of(sent.chatbot_id, sent.to)), []).extend(times)
        if self.pairs is not None:
            for lane, times in by_lane.items():
                self.pairs.learn(lane, sorted(times))


class Reservation:
    """One reserved place in the pace of a number: used when the call goes out, or given back."""

    def __init__(self, pace: NumberRate, *, paced: bool) -> None:
        self._pace = pace
        self._open = paced
        self._began: float | None = None

    def used(self) -> Self:
        """A context: the call goes out at its beginning, and its answer is there at the end."""
        return self

    def __enter__(self) -> None:
        if self._open:
            self._open, self._began = False, time.time()
            self._pace.went()

    def __exit__(self, *_: object) -> None:
        if self._began is not None:
            self._pace.answered(self._began, time.time())
            self._began = None

    def close(self) -> None:
        """There will be no call."""
        if self._open:
            self._open = False
            self._pace.give_back()


class RecentSends:
    """What the journal says was sent lately; read once for all sessions that begin together."""

    def __init__(self, store: JournalStore) -> None:
        self._store = store
        self._lock = asyncio.Lock()
        self._read_at = float("-inf")
        self._lately: Sequence[RecentTimes] = ()

    async def read(self) -> Sequence[RecentTimes]:
        """As of a moment ago. Raises `Unavailable`."""
        async with self._lock:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._lately = await self._store.sent_since(datetime.now(UTC) - timedelta(seconds=_MEMORY_SECONDS))
                self._read_at = time.monotonic()
            return self._lately
