"""The record of all events: messages to phones, messages from customers, webhook attempts, API calls.

Messages are kept for the life of the emulator, API calls in a ring. With a journal file every entry is also a line of
JSON, and a new emulator on the same file begins with what the last one knew.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

Json = dict[str, Any]

CALLS_KEPT = 50_000

_NO_MESSAGES = frozenset({"reaction", "pin"})

PENDING, DELIVERED, DROPPED, UNROUTED, GIVEN_UP = "pending", "delivered", "dropped", "unrouted", "given_up"


@dataclass(slots=True)
class Trace:
    """The way of one webhook update: its attempts and how it ended.

    `outcome`: pending, delivered (200 answered), dropped (by a fault), unrouted (no callback URL, or the app is not
    subscribed) or given_up (retry span over).
    """

    name: str
    """`inbound`, a status, or the name of another webhook field."""
    wamid: str
    offered_ms: int
    attempts: list[Json] = field(default_factory=list)
    outcome: str = PENDING
    settled_ms: int = 0
    settled_order: int = 0
    """Position among all delivered updates: the order in which the receiver took them."""

    def view(self) -> Json:
        """The trace as the control API shows it."""
        view: Json = {"name": self.name, "offeredMs": self.offered_ms, "outcome": self.outcome}
        if self.outcome != PENDING:
            view |= {"settledMs": self.settled_ms, "settledOrder": self.settled_order}
        return view | {"attempts": self.attempts}


@dataclass(slots=True)
class Received:
    """A message that Meta accepted for a phone."""

    seq: int
    wamid: str
    phone_number_id: str
    phone: str
    user_id: str
    type: str
    body: Json
    callback_data: str | None
    at_ms: int
    monotonic_ms: float
    reached: bool
    """False: the phone never shows it (not on WhatsApp, blocked, or the message failed)."""
    statuses: list[Trace] = field(default_factory=list)

    def facts(self) -> Json:
        """What never changes."""
        return {
            "seq": self.seq,
            "wamid": self.wamid,
            "phoneNumberId": self.phone_number_id,
            "phone": self.phone,
            "userId": self.user_id,
            "type": self.type,
            "body": self.body,
            "callbackData": self.callback_data,
            "atMs": self.at_ms,
            "monotonicMs": self.monotonic_ms,
            "reached": self.reached,
        }

    def view(self) -> Json:
        """The entry as the control API shows it; `statuses` in the order in which they were triggered."""
        return self.facts() | {"statuses": [trace.view() for trace in self.statuses]}


@dataclass(slots=True)
class Sent:
    """A message that a customer sent."""

    seq: int
    wamid: str
    phone_number_id: str
    phone: str
    user_id: str
    message: Json
    at_ms: int
    webhook: Trace
    read: bool = False
    typing_until_ms: int = 0

    def facts(self) -> Json:
        """What never changes."""
        return {
            "seq": self.seq,
            "wamid": self.wamid,
            "phoneNumberId": self.phone_number_id,
            "phone": self.phone,
            "userId": self.user_id,
            "message": self.message,
            "atMs": self.at_ms,
        }

    def view(self) -> Json:
        """The entry as the control API shows it."""
        return self.facts() | {
            "webhook": self.webhook.view(),
            "read": self.read,
            "typingUntilMs": self.typing_until_ms,
        }


class Ledger:
    """All entries, by phone and by wamid, in the order in which they happened; counters beside them."""

    def __init__(self) -> None:
        self.write_line: Callable[[Json], None] = lambda _line: None
        self.clear()

    def clear(self) -> None:
        """Forget everything, also the counters."""
        self.received: dict[str, list[Received]] = {}
        self.sent: dict[str, list[Sent]] = {}
        self.received_by_wamid: dict[str, Received] = {}
        self.sent_by_wamid: dict[str, Sent] = {}
        self.calls: deque[Json] = deque(maxlen=CALLS_KEPT)
        self.counters: Counter[str] = Counter()
        self.seq = 0
        self.settled = 0

    def next_seq(self) -> int:
        """The next entry's number; one sequence over both directions."""
        self.seq += 1
        return self.seq

    def add_received(self, entry: Received) -> None:
        """Keep a message that was accepted for a phone."""
        self.received.setdefault(entry.phone, []).append(entry)
        self.received_by_wamid[entry.wamid] = entry
        self.seq = max(self.seq, entry.seq)
        self.counters["accepted"] += 1
        self.write_line({"entry": "received"} | entry.facts())

    def add_sent(self, entry: Sent) -> None:
        """Keep a message that a customer sent."""
        self.sent.setdefault(entry.phone, []).append(entry)
        self.sent_by_wamid[entry.wamid] = entry
        self.seq = max(self.seq, entry.seq)
        self.counters["inbound"] += 1
        self.write_line({"entry": "sent"} | entry.facts())

    def add_call(self, call: Json) -> None:
        """Keep one API call with its outcome."""
        self.counters["calls"] += 1
        self.calls.append(call)

    def settle(self, trace: Trace, outcome: str, now_ms: int) -> None:
        """End the way of an update."""
        trace.outcome, trace.settled_ms = outcome, now_ms
        if outcome == DELIVERED:
            self.settled += 1
            trace.settled_order = self.settled
        self.counters[f"updates_{outcome}"] += 1
        self.write_line({"entry": "webhook", "wamid": trace.wamid} | trace.view())

    def is_message(self, wamid: str, phone: str) -> bool:
        """Whether this wamid is a message in a chat of `phone` that one can react to: a reaction or a pin is none."""
        received, sent = self.received_by_wamid.get(wamid), self.sent_by_wamid.get(wamid)
        if received is not None:
            return received.phone == phone and received.type not in _NO_MESSAGES
        return sent is not None and sent.phone == phone and sent.message["type"] not in _NO_MESSAGES

    def mark_read(self, target: Sent) -> None:
        """The business read this message, and with it all that came before from the same customer."""
        for entry in reversed(self.sent[target.phone]):
            if entry.phone_number_id == target.phone_number_id and entry.seq <= target.seq:
                if entry.read:
                    break
                entry.read = True

    def received_after(self, phone: str | None, after: int) -> Iterator[Received]:
        """Entries of one phone, or of all of them, with a number above `after`, in order."""
        return _after(self.received, phone, after)

    def sent_after(self, phone: str | None, after: int) -> Iterator[Sent]:
        """The same for what customers sent."""
        return _after(self.sent, phone, after)


_Entry = TypeVar("_Entry", Received, Sent)


def _after(lanes: dict[str, list[_Entry]], phone: str | None, after: int) -> Iterator[_Entry]:
    chosen = lanes.values() if phone is None else [lanes.get(phone, [])]
    fresh = [entry for lane in chosen for entry in lane if entry.seq > after]
    return iter(sorted(fresh, key=lambda entry: entry.seq))
