"""Messages from customers, and all other changes that Meta reports to a business."""

from typing import Any

from graph_emulator.clock import Clock
from graph_emulator.ids import Ids
from graph_emulator.limits.admission import Limits
from graph_emulator.messages.samples import MEDIA, complete
from graph_emulator.state.directory import Business, Customer
from graph_emulator.state.ledger import Ledger, Sent, Trace
from graph_emulator.state.media import MediaStore
from graph_emulator.webhooks.delivery import Delivery
from graph_emulator.webhooks.wire import Update, message_value

Json = dict[str, Any]


class Inbound:
    """Turns an action of a customer into a webhook and a ledger entry."""

    def __init__(
        self, *, clock: Clock, ids: Ids, ledger: Ledger, media: MediaStore, limits: Limits, delivery: Delivery
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._ledger = ledger
        self._media = media
        self._limits = limits
        self._delivery = delivery

    def receive(self, business: Business, customer: Customer, message: Json) -> str:
        """A customer sends `message` (its type, and as much of the type's object as given); the wamid."""
        now = self._clock.now_ms()
        name = customer.user_id if customer.withhold_phone else customer.wa_id
        wamid = self._ids.wamid(name, inbound=True)
        whole: Json = {"id": wamid, "timestamp": str(now // 1000)} | complete(message)
        if whole["type"] in MEDIA:
            whole[whole["type"]] = self._stored(business, whole["type"], whole[whole["type"]])
        if "context" in whole:
            whole["context"] = {"from": business.display_phone_number} | whole["context"]
        trace = Trace("inbound", wamid, now)
        self._ledger.add_sent(self._entry(business, customer, whole, trace))
        self._limits.received(business, customer, whole)
        self._delivery.offer(
            Update(
                waba_id=business.waba_id,
                phone_number_id=business.phone_number_id,
                field="messages",
                value=message_value(business, customer, whole),
                lane=f"{business.phone_number_id} {customer.user_id}",
                contacts=(customer.wa_id, customer.user_id),
                kind=whole["type"],
                trace=trace,
            )
        )
        return wamid

    def change(self, waba_id: str, phone_number_id: str, field: str, value: Json) -> Trace:
        """Send the business any change of any field, unchanged."""
        trace = Trace(field, "", self._clock.now_ms())
        self._delivery.offer(
            Update(
                waba_id=waba_id,
                phone_number_id=phone_number_id,
                field=field,
                value=value,
                lane=f"{waba_id} {field}",
                contacts=(),
                kind=field,
                trace=trace,
            )
        )
        return trace

    def _stored(self, business: Business, kind: str, given: Json) -> Json:
        """The media object with id, mime_type, sha256 and url of a stored file, unless the caller gave an id."""
        if "id" in given:
            return given
        mime_type, content = MEDIA[kind]
        media = self._media.add(business.phone_number_id, given.get("mime_type", mime_type), content, inbound=True)
        return (
            {"id": media.id, "mime_type": media.mime_type, "sha256": media.sha256}
            | given
            | {"url": self._media.url(media)}
        )

    def _entry(self, business: Business, customer: Customer, message: Json, trace: Trace) -> Sent:
        return Sent(
            seq=self._ledger.next_seq(),
            wamid=trace.wamid,
            phone_number_id=business.phone_number_id,
            phone=customer.wa_id,
            user_id=customer.user_id,
            message=message,
            at_ms=trace.offered_ms,
            webhook=trace,
        )
