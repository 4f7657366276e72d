"""`whatsapp-cloud-webhooks`: what Meta said, cut into its smallest facts, each unmodified.

One record per message, per status, and per other change. `raw` is the fragment's JSON exactly as Meta wrote it, byte
for byte; where that is not Unicode, `raw` has replacement characters and `rawBase64` the original bytes. A signed body
(or a part of one) that cannot be parsed becomes one `webhook.unparsed` record that keeps all of it: nothing that Meta
signed is refused. A change of messages and statuses that says more than they do has a `webhook.change` record as well.
"""

import base64
from typing import Final

import msgspec

from common.contracts.contacts import Contact
from common.contracts.envelope import Contract, Event

VERSION: Final = 1
MESSAGE: Final = "webhook.message"
STATUS: Final = "webhook.status"
CHANGE: Final = "webhook.change"
UNPARSED: Final = "webhook.unparsed"

NO_JSON: Final = msgspec.Raw()
"""No fragment. (`Raw` cannot be one of a union, so absence is this very object, which is left out when encoding.)"""


class Arrival(Contract, frozen=True, kw_only=True):
    """How a body arrived. `bodyId` is shared by all records of one POST; `position` is this record's place in it."""

    body_id: str
    body_bytes: int
    position: int
    count: int


class WebhookData(Contract, frozen=True, kw_only=True):
    """One fact.

    `field` is Meta's change field (an open set). `accountId` is `entry.id`: usually the WhatsApp Business Account,
    for some account updates a business portfolio. `contact` is who it is about, where the fragment or its change
    says so. `raw` is the message, the status, or the whole change value. Where a text in it is not Unicode (half an
    emoji, or bytes that are not UTF-8), `raw` has U+FFFD there and `rawBase64` is what Meta wrote. For an unparsed
    body `raw` is its JSON, or `rawBase64` its bytes when they are not JSON, and `reason` says what could not be parsed.
    """

    arrival: Arrival
    field: str | None = None
    account_id: str | None = None
    entry_time: int | None = None
    phone_number_id: str | None = None
    display_phone_number: str | None = None
    contact: Contact | None = None
    wamid: str | None = None
    raw: msgspec.Raw = NO_JSON
    raw_base64: str | None = None
    reason: str | None = None


def original_of(data: WebhookData) -> bytes:
    """The bytes that Meta wrote: the fragment, or the part that cannot be parsed."""
    return bytes(data.raw) if data.raw_base64 is None else base64.b64decode(data.raw_base64)


class WebhookReceived(Event, frozen=True, kw_only=True):
    """One webhook record; `type` is one of this module's four, `occurredAt` is Meta's timestamp where it gives one."""

    data: WebhookData
