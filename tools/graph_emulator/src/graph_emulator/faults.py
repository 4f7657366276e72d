"""Faults: decides which call or webhook goes wrong, and how. This module does not wait or send.

A plan is a list of rules and a seed. Rules are asked in their order; each may be limited to a business number, a
customer, a type, the nth matching event, a probability and a number of times. The plan owns its `random.Random`, so
the same seed and the same sequence of events give the same faults.
"""

import random
from dataclasses import dataclass

CALL_KINDS = frozenset({"lose_answer", "reset", "error", "http_5xx", "throttle", "fail_later", "slow"})
WEBHOOK_KINDS = frozenset({"duplicate", "reorder", "batch", "delay", "drop_status"})

_SERVER_CODES = (131000, 131016, 2)
_THROTTLES = ((130429, None), (80007, None), (131056, None), (4, None), (613, 429))
"""(code, HTTP status when it is not the table's)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong; which fields matter depends on `kind`. Times in milliseconds."""

    kind: str
    code: int | None = None
    """error, http_5xx, throttle, fail_later: Meta's code; without one, http_5xx and throttle draw it."""
    subcode: int = 0
    """error, http_5xx, throttle: Meta's subcode; 0: the answer has none."""
    html: bool = False
    """http_5xx: answer a page of HTML, as a proxy in between does, instead of Meta's JSON."""
    status: int = 0
    """HTTP status instead of the code's own."""
    accepted: bool = False
    """error, http_5xx, throttle: the message is accepted nevertheless."""
    mode: str = "close"
    """lose_answer: close the connection, answer half and then close, or hang for `ms` and then close."""
    before_ms: int = 0
    """slow: wait before the message is accepted."""
    after_ms: int = 0
    """slow: wait between accepting and answering."""
    ms: int = 200
    """delay, reorder: how long the update is held; lose_answer in mode hang: how long the caller waits."""
    copies: int = 1
    """duplicate: further POSTs of the same bytes after the first success."""
    size: int = 100
    """batch: most updates in the POST."""
    wait_ms: int = 50
    """batch: how long to wait for more of them."""
    shape: str = "mixed"
    """batch: items, changes, entries, or mixed, which draws one of them."""


@dataclass(frozen=True, slots=True)
class Match:
    """The events of a rule. A field that is not given matches everything."""

    phone: str | None = None
    """Business phone number id."""
    to: str | None = None
    """The customer: phone number or BSUID, as recipient of a call or as subject of a webhook."""
    type: str | None = None
    """Message type; for status webhooks the status, for other webhooks the field."""
    template: str | None = None
    """Name of the template of a call."""
    nth: int | None = None
    """Only the nth event (from 1) among those that match the rest."""
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Event:
    """A call to `/messages`, or a webhook update about to be sent. `contacts`: all names of the customer."""

    phone: str
    contacts: tuple[str, ...]
    type: str
    is_status: bool = False
    template: str | None = None


@dataclass(slots=True)
class Rule:
    """One fault and when it strikes. `times` limits how often; `seen` and `fired` count."""

    match: Match
    fault: Fault
    times: int | None = None
    seen: int = 0
    fired: int = 0

    def strikes(self, event: Event, rng: random.Random) -> bool:
        """Whether it strikes this event; counts it."""
        match = self.match
        if match.phone not in {None, event.phone} or match.type not in {None, event.type}:
            return False
        if match.to is not None and match.to not in event.contacts:
            return False
        if match.template not in {None, event.template}:
            return False
        self.seen += 1
        if match.nth not in {None, self.seen} or (self.times is not None and self.fired >= self.times):
            return False
        if match.probability < 1 and rng.random() >= match.probability:
            return False
        self.fired += 1
        return True


@dataclass(frozen=True, slots=True)
class CallDecision:
    """The faults of one call: waits, then at most one other fault, with its chosen code and status."""

    before_ms: int = 0
    after_ms: int = 0
    fault: Fault | None = None
    code: int = 0
    status: int | None = None


@dataclass(frozen=True, slots=True)
class WebhookDecision:
    """What happens to one update."""

    drop: bool = False
    copies: int = 0
    hold_ms: int = 0
    """Held this long, its lane behind it."""
    overtaken_ms: int = 0
    """Held this long outside its lane: later updates overtake it."""
    batch: Fault | None = None
    shape: str = "items"


NO_CALL_FAULT = CallDecision()
NO_WEBHOOK_FAULT = WebhookDecision()


class FaultPlan:
    """Rules with a seed; asked once per call and once per webhook update."""

    def __init__(self, rules: list[Rule], seed: int = 0) -> None:
        self.seed = seed
        self.rules = rules
        self._rng = random.Random(seed)
        self._call_rules = [rule for rule in rules if rule.fault.kind in CALL_KINDS]
        self._webhook_rules = [rule for rule in rules if rule.fault.kind in WEBHOOK_KINDS]

    def decide_call(self, event: Event) -> CallDecision:
        """The fault of one call to `/messages`: `slow` rules add up, the first other rule that strikes ends it."""
        if not self._call_rules:
            return NO_CALL_FAULT
        before = after = 0
        for rule in self._call_rules:
            if rule.strikes(event, self._rng):
                if rule.fault.kind != "slow":
                    code, status = self._drawn(rule.fault)
                    return CallDecision(before, after, rule.fault, code, status)
                before += rule.fault.before_ms
                after += rule.fault.after_ms
        return CallDecision(before, after)

    def decide_webhook(self, event: Event) -> WebhookDecision:
        """The faults of one update; rules of different kinds combine."""
        if not self._webhook_rules:
            return NO_WEBHOOK_FAULT
        struck = {rule.fault.kind: rule.fault for rule in self._webhook_rules if self._strikes(rule, event)}
        if not struck:
            return NO_WEBHOOK_FAULT
        batch = struck.get("batch")
        return WebhookDecision(
            drop="drop_status" in struck,
            copies=struck["duplicate"].copies if "duplicate" in struck else 0,
            hold_ms=struck["delay"].ms if "delay" in struck else 0,
            overtaken_ms=struck["reorder"].ms if "reorder" in struck else 0,
            batch=batch,
            shape=self._shape(batch),
        )

    def _strikes(self, rule: Rule, event: Event) -> bool:
        if rule.fault.kind == "drop_status" and not event.is_status:
            return False
        return rule.strikes(event, self._rng)

    def _drawn(self, fault: Fault) -> tuple[int, int | None]:
        status = fault.status or None
        if fault.code is not None or fault.kind not in {"http_5xx", "throttle"}:
            return fault.code or 0, status
        if fault.kind == "http_5xx":
            return self._rng.choice(_SERVER_CODES), status
        code, own = self._rng.choice(_THROTTLES)
        return code, status or own

    def _shape(self, batch: Fault | None) -> str:
        if batch is None:
            return "items"
        return self._rng.choice(("items", "changes", "entries")) if batch.shape == "mixed" else batch.shape
