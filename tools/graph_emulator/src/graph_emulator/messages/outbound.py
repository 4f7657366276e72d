"""Messages from businesses: accepted, entered in the ledger, and followed by their statuses."""

from dataclasses import dataclass, replace
from typing import Any

from graph_emulator.clock import Clock
from graph_emulator.config import Config
from graph_emulator.graph_errors import GraphError
from graph_emulator.ids import Ids
from graph_emulator.limits.admission import Limits
from graph_emulator.messages.acceptance import Accepted, accept, answer
from graph_emulator.messages.statuses import Step, steps
from graph_emulator.state.directory import Business, Customer, Directory
from graph_emulator.state.ledger import Ledger, Received, Trace
from graph_emulator.state.media import MediaStore
from graph_emulator.timers import Timers
from graph_emulator.validation.message import check_read
from graph_emulator.webhooks.delivery import Delivery
from graph_emulator.webhooks.wire import StatusFacts, Update, status_value

Json = dict[str, Any]

TYPING_MS = 25_000
"""How long a typing indicator shows when no message ends it."""


@dataclass(slots=True, eq=False)
class Journey:
    """The statuses that are still to come for one message."""

    entry: Received
    business: Business
    accepted: Accepted
    steps: tuple[Step, ...]
    next: int = 0


class Outbound:
    """Takes messages from businesses and triggers their statuses in time."""

    def __init__(
        self,
        *,
        config: Config,
        clock: Clock,
        ids: Ids,
        directory: Directory,
        ledger: Ledger,
        media: MediaStore,
        limits: Limits,
        delivery: Delivery,
    ) -> None:
        self._config = config
        self._clock = clock
        self._ids = ids
        self._directory = directory
        self._ledger = ledger
        self._media = media
        self._limits = limits
        self._delivery = delivery
        self._timers = Timers()
        self._offline: dict[str, list[Journey]] = {}

    @property
    def pending(self) -> int:
        """Messages whose next status is still to come (those of offline phones not counted)."""
        return self._timers.pending

    def clear(self) -> None:
        """Trigger no further status."""
        self._timers.clear()
        self._offline.clear()

    def send(self, business: Business, body: Json, *, failure: int = 0) -> tuple[str, Json]:
        """A business sends a message: (wamid, the body of the 200). GraphError when it is refused.

        `failure` is the code that its status fails with, 0 for what follows by itself.
        """
        accepted = accept(
            body,
            business,
            self._directory,
            has_media=lambda media_id: self._media.owned_by(media_id, business.phone_number_id),
            is_message=self._ledger.is_message,
        )
        if failure:
            accepted = replace(accepted, failure=failure)
        self._limits.admit(business, accepted.customer, accepted.type)
        entry = self._entry(business, body, accepted)
        self._ledger.add_received(entry)
        way = steps(
            accepted.type,
            voice=accepted.voice,
            failure=accepted.failure,
            customer=accepted.customer,
            config=self._config,
        )
        self._schedule(Journey(entry, business, accepted, way))
        return entry.wamid, answer(body, accepted, entry.wamid, self._config.message_status)

    def mark_read(self, business: Business, body: Json) -> str:
        """A business marks a message, and all before it, as read; the wamid. GraphError when it does not exist."""
        wamid = check_read(body)
        target = self._ledger.sent_by_wamid.get(wamid)
        if target is None or target.phone_number_id != business.phone_number_id:
            raise GraphError(131009, f"No message {wamid} was received by this phone number.")
        self._ledger.mark_read(target)
        if "typing_indicator" in body:
            target.typing_until_ms = self._clock.now_ms() + TYPING_MS
        return wamid

    def come_online(self, customer: Customer) -> None:
        """Continue with the statuses that waited for this phone."""
        for journey in self._offline.pop(customer.wa_id, []):
            self._trigger(journey)

    def _entry(self, business: Business, body: Json, accepted: Accepted) -> Received:
        customer = accepted.customer
        hidden = accepted.to_user_id and customer.withhold_phone
        return Received(
            seq=self._ledger.next_seq(),
            wamid=self._ids.wamid(customer.user_id if hidden else customer.wa_id, inbound=False),
            phone_number_id=business.phone_number_id,
            phone=customer.wa_id,
            user_id=customer.user_id,
            type=accepted.type,
            body=body,
            callback_data=body.get("biz_opaque_callback_data"),
            at_ms=self._clock.now_ms(),
            monotonic_ms=self._clock.monotonic_ms(),
            reached=accepted.reached,
        )

    def _schedule(self, journey: Journey) -> None:
        if journey.next < len(journey.steps):
            self._timers.later(journey.steps[journey.next].after_ms, self._trigger, journey)

    def _trigger(self, journey: Journey) -> None:
        step = journey.steps[journey.next]
        customer = journey.accepted.customer
        if step.needs_phone and customer.offline:
            self._offline.setdefault(customer.wa_id, []).append(journey)
            return
        journey.next += 1
        self._delivery.offer(self._update(journey, step))
        self._schedule(journey)

    def _update(self, journey: Journey, step: Step) -> Update:
        entry, business = journey.entry, journey.business
        now = self._clock.now_ms()
        facts = StatusFacts(
            wamid=entry.wamid,
            status=step.status,
            at_s=now // 1000,
            to_user_id=journey.accepted.to_user_id,
            callback_data=None if self._config.omit_callback_data else entry.callback_data,
            billed=("regular", business.category(entry.body)) if step.priced else None,
            code=step.code,
        )
        trace = Trace(step.status, entry.wamid, now)
        entry.statuses.append(trace)
        return Update(
            waba_id=business.waba_id,
            phone_number_id=business.phone_number_id,
            field="messages",
            value=status_value(business, journey.accepted.customer, facts),
            lane=entry.wamid,
            contacts=(entry.phone, entry.user_id),
            kind=step.status,
            trace=trace,
        )
