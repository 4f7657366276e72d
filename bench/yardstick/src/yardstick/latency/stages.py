"""One exchange in stages, from the spans of its trace. Pure.

A stage goes from one instant to the next, so all of them together are the whole way from the webhook to the call to
Meta.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Final, Protocol

from yardstick.rig.measurements import percentile


class Span(Protocol):
    """What is read of a span; times are nanoseconds since 1970."""

    @property
    def span_id(self) -> str: ...
    @property
    def parent_id(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def began_ns(self) -> int: ...
    @property
    def ended_ns(self) -> int: ...


WEBHOOK: Final = ("ingress", "POST /whatsapp-cloud/webhook")
_STORED: Final = ("ingress", "send whatsapp-cloud-webhooks")
_APPLIED: Final = ("conversation", "process whatsapp-cloud-webhooks")
_TRANSACTION: Final = ("conversation", "mongodb transaction")
_EVENT: Final = ("conversation", "send incoming-messages")
_BOT: Final = ("ai_responder", "process incoming-messages")
_REPLY: Final = ("ai_responder", "send whatsapp-cloud-send")
_STEP: Final = ("sender", "process whatsapp-cloud-send")
_CLAIM: Final = ("sender", "mongodb journal")
CALL: Final = ("sender", "POST /{phone_number_id}/messages")

_WAY: Final = (WEBHOOK, _STORED, _APPLIED, _EVENT, _BOT, _REPLY, _STEP, CALL)
"""Each hop is a child of the one before it."""

_BESIDE: Final = {_TRANSACTION: _APPLIED, _CLAIM: _STEP}

Hops = Mapping[tuple[str, str], Span]

STAGES: Final[Sequence[tuple[str, Callable[[Hops], int]]]] = (
    ("ingress: webhook → record on Kafka", lambda hops: hops[_STORED].ended_ns),
    ("topic → conversation", lambda hops: hops[_APPLIED].began_ns),
    ("conversation: decode, find the account", lambda hops: hops[_TRANSACTION].began_ns),
    ("conversation: MongoDB transaction", lambda hops: hops[_TRANSACTION].ended_ns),
    ("conversation: until its Kafka transaction", lambda hops: hops[_EVENT].began_ns),
    ("conversation: Kafka transaction", lambda hops: hops[_EVENT].ended_ns),
    ("topic → bot", lambda hops: hops[_BOT].began_ns),
    ("bot: reply → record on Kafka", lambda hops: hops[_REPLY].ended_ns),
    ("topic → sender", lambda hops: hops[_STEP].began_ns),
    ("sender: credentials, checks", lambda hops: hops[_CLAIM].began_ns),
    ("sender: claim in the journal", lambda hops: hops[_CLAIM].ended_ns),
    ("sender: until the call", lambda hops: hops[CALL].began_ns),
)
"""The name of each stage, and the instant at which it ends; the first begins with the webhook."""


def hops_of(spans: Iterable[Span]) -> Hops | None:
    """The hops from the webhook to the call, or None if one of them is missing."""
    children: dict[str, list[Span]] = {}
    for span in spans:
        children.setdefault(span.parent_id, []).append(span)
    found: dict[tuple[str, str], Span] = {}
    above = [span for them in children.values() for span in them if (span.service, span.name) == WEBHOOK]
    for hop in _WAY:
        if hop != WEBHOOK:
            above = [span for parent in above for span in children.get(parent.span_id, ())]
        above = [span for span in above if (span.service, span.name) == hop]
        if not above:
            return None
        found[hop] = min(above, key=lambda span: span.began_ns)
        above = [found[hop]] if hop != WEBHOOK else above
    for hop, parent in _BESIDE.items():
        beside = [span for span in children.get(found[parent].span_id, ()) if (span.service, span.name) == hop]
        if not beside:
            return None
        found[hop] = min(beside, key=lambda span: span.began_ns)
    return found


def milliseconds(hops: Hops) -> list[float]:
    """How long each stage took. A negative time is possible, because a reader can be faster than an acknowledgement."""
    instants = [hops[WEBHOOK].began_ns, *(instant(hops) for _, instant in STAGES)]
    return [(end - begin) / 1e6 for begin, end in pairwise(instants)]


def table(exchanges: Sequence[Hops]) -> list[tuple[str, float, float]]:
    """Each stage with its p50 and p99 in ms; at the end the whole way. Nothing without exchanges."""
    rows = [milliseconds(hops) for hops in exchanges]
    if not rows:
        return []
    names, columns = [name for name, _ in STAGES], zip(*rows, strict=True)
    whole = [sum(row) for row in rows]
    found = [*zip(names, columns, strict=True), ("webhook → call", whole)]
    return [(name, median(times), percentile(times, 0.99)) for name, times in found]
