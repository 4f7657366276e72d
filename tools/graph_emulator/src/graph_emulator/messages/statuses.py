"""Which statuses follow a message that was accepted, and when: pure."""

from dataclasses import dataclass

from graph_emulator.config import Config
from graph_emulator.state.directory import Customer


@dataclass(frozen=True, slots=True)
class Step:
    """One status. `after_ms` counts from the step before it (from acceptance for the first one)."""

    status: str
    after_ms: int
    priced: bool = False
    code: int = 0
    """Meta's error code, for `failed`."""
    needs_phone: bool = False
    """The phone has to be online for it."""


def steps(kind: str, *, voice: bool, failure: int, customer: Customer, config: Config) -> tuple[Step, ...]:
    """The statuses of a message of type `kind`, in order; `failure` is the code it fails with, 0 for none.

    Meta's rules: a reaction only ever gets `sent`; a pin gets `sent` and `delivered`, and is never read; someone who
    blocked the business keeps it at `sent`; `delivered` may be skipped when the chat is open; pricing stands on `sent`
    and on the first of delivered and read; a voice note that is listened to gets `played`.
    """
    if failure:
        return (Step("failed", config.sent_after_ms, code=failure),)
    sent = Step("sent", config.sent_after_ms, priced=True)
    if kind == "reaction" or customer.blocked:
        return (sent,)
    to_delivered = _first(customer.delivered_after_ms, config.delivered_after_ms)
    to_read = _first(customer.read_after_ms, config.read_after_ms)
    never_reads = customer.never_reads or kind == "pin"
    if customer.chat_open and not never_reads:
        way = [sent, Step("read", to_delivered + to_read, priced=True, needs_phone=True)]
    else:
        way = [sent, Step("delivered", to_delivered, priced=True, needs_phone=True)]
        if not never_reads:
            way.append(Step("read", to_read, needs_phone=True))
    if voice and not customer.never_reads:
        way.append(Step("played", to_read, needs_phone=True))
    return tuple(way)


def _first(own: int | None, default: int) -> int:
    return default if own is None else own
