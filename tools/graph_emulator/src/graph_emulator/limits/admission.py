"""Meta's limits on a business number, in memory. They are checked before a message is accepted.

What happened is always counted; `Config.limits` says which limits refuse. Memory grows with pairs of a business number
and a person, not with messages.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from graph_emulator.clock import Clock
from graph_emulator.config import LIMITS, PAIR, THROUGHPUT, WINDOW, Config
from graph_emulator.graph_errors import GraphError
from graph_emulator.limits.pair import Owed, next_owed
from graph_emulator.limits.service_window import ServiceWindow, takes
from graph_emulator.limits.traffic import Traffic
from graph_emulator.state.directory import Business, Customer
from graph_emulator.state.ledger import Sent

Json = dict[str, Any]
Pair = tuple[str, str]
"""(business phone number id, the person's phone number)."""

_REFUSALS = {
    THROUGHPUT: (130429, "The number carries no more messages in this second, inbound and outbound together."),
    PAIR: (131056, "Too many messages from this number to the same person in a short time."),
    WINDOW: (131047, "More than 24 hours have passed since the person last wrote: send a template."),
}


class Limits:
    """Decides which messages a limit refuses, and counts what every business number carries."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Forget all counts: every window is closed, and no time is owed."""
        self._traffic: defaultdict[str, Traffic] = defaultdict(Traffic)
        self._owed: dict[Pair, Owed] = {}
        self._windows: dict[Pair, ServiceWindow] = {}

    def admit(self, business: Business, customer: Customer, kind: str) -> None:
        """Count a message of type `kind` from a business. If a limit refuses it: GraphError, and nothing is counted."""
        pair, now = (business.phone_number_id, customer.wa_id), self._clock.monotonic_ms()
        traffic = self._traffic[business.phone_number_id]
        owed = next_owed(self._config.pair_reading, self._owed.get(pair), now) if PAIR in self._config.limits else None
        free = business.messages_per_second - traffic.last_second(now)
        refusing = self._refusing(free, owed, kind, pair)
        if refusing is not None:
            traffic.refused[refusing] += 1
            code, details = _REFUSALS[refusing]
            raise GraphError(code, details)
        traffic.count(now, inbound=False)
        if owed is not None:
            self._owed[pair] = owed

    def received(self, business: Business, customer: Customer, message: Json) -> None:
        """Count a message from a person, which opens the window: the group's, when it was written there.

        It is never refused, but leaves less for others.
        """
        self._traffic[business.phone_number_id].count(self._clock.monotonic_ms(), inbound=True)
        self._open((business.phone_number_id, message.get("group_id", customer.wa_id)), message, self._clock.now_ms())

    def remember(self, entries: Iterable[Sent]) -> None:
        """Open the windows of messages that an earlier run accepted, in order. They do not count for throughput."""
        for entry in entries:
            self._open((entry.phone_number_id, entry.message.get("group_id", entry.phone)), entry.message, entry.at_ms)

    def window(self, pair: Pair) -> ServiceWindow:
        """The customer service window of a business number and a person."""
        return self._windows.get(pair, ServiceWindow())

    def move_window(self, pair: Pair, ago_ms: int) -> ServiceWindow:
        """The window as if the person had last written `ago_ms` ago."""
        self._windows[pair] = self.window(pair).moved_to(self._clock.now_ms() - ago_ms)
        return self._windows[pair]

    def report(self, business: Business) -> Json:
        """The messages of the number's busiest second and in total, and the refused calls of each limit."""
        traffic = self._traffic[business.phone_number_id]
        return {
            "phoneNumberId": business.phone_number_id,
            "messagesPerSecond": business.messages_per_second,
            "enforced": sorted(self._config.limits),
            "busiestSecond": traffic.busiest.view(),
            "inbound": traffic.inbound,
            "outbound": traffic.outbound,
            "refused": {name: traffic.refused[name] for name in LIMITS},
        }

    def _refusing(self, free: int, owed: Owed | None, kind: str, pair: Pair) -> str | None:
        enforced = self._config.limits
        if THROUGHPUT in enforced and free < 1:
            return THROUGHPUT
        if PAIR in enforced and owed is None:
            return PAIR
        if WINDOW in enforced and not takes(kind, self.window(pair), self._clock.now_ms()):
            return WINDOW
        return None

    def _open(self, pair: Pair, message: Json, now_ms: int) -> None:
        self._windows[pair] = self.window(pair).after(message, now_ms)
