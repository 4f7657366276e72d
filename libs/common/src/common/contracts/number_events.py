"""`whatsapp-cloud-numbers`: what the sender has to know of a number to keep Meta's pace."""

from typing import Final

from common.contracts.envelope import Contract, Event

VERSION: Final = 1
TRAFFIC: Final = "number.traffic"
CHANGED: Final = "number.changed"


class NumberData(Contract, frozen=True, kw_only=True):
    """Of `number.traffic`: how many messages have just come in. Of `number.changed`: what Meta has said to change.

    Meta names the number of a change by its display, or names the account alone; `field` is Meta's change field.
    """

    phone_number_id: str | None = None
    account_id: str | None = None
    display_phone_number: str | None = None
    field: str | None = None
    inbound: int = 0


class NumberNews(Event, frozen=True, kw_only=True):
    """One of this module's two. `recordedAt` of traffic is when it was counted: a second later it is history."""

    data: NumberData
