"""When a business may send a person more than templates: pure. Times in milliseconds since the Unix epoch.

Meta's "Send messages" and "Pricing" of the Cloud API: every message of a person opens the customer service window for
24 hours, one that comes from an ad that clicks to WhatsApp a free entry point window of 72 hours. Meta opens the
latter with the business's first answer; here both begin with the person's message.
"""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_HOUR_MS = 3_600_000
SERVICE_MS = 24 * _HOUR_MS
ENTRY_POINT_MS = 72 * _HOUR_MS


@dataclass(frozen=True, slots=True)
class ServiceWindow:
    """When a person last wrote to a business number, and when last from an ad; 0 for never."""

    written_ms: int = 0
    from_ad_ms: int = 0

    @property
    def closes_ms(self) -> int:
        """From then on only templates are accepted; 0 when the person never wrote."""
        service = self.written_ms + SERVICE_MS if self.written_ms else 0
        entry_point = self.from_ad_ms + ENTRY_POINT_MS if self.from_ad_ms else 0
        return max(service, entry_point)

    def after(self, message: Json, now_ms: int) -> "ServiceWindow":
        """The window after this inbound message. A `system` message is from WhatsApp itself, and opens none."""
        if message["type"] == "system":
            return self
        return ServiceWindow(now_ms, now_ms if "referral" in message else self.from_ad_ms)

    def moved_to(self, written_ms: int) -> "ServiceWindow":
        """The window as if the person's last message had arrived then, and none later, from an ad or not."""
        return ServiceWindow(written_ms, min(self.from_ad_ms, written_ms))

    def view(self, now_ms: int) -> Json:
        """The window as the control API shows it."""
        return {"open": now_ms < self.closes_ms, "closesAtMs": self.closes_ms, "lastInboundAtMs": self.written_ms}


def takes(kind: str, window: ServiceWindow, now_ms: int) -> bool:
    """Whether a message of type `kind` may go: templates always, free-form messages while the window is open."""
    return kind == "template" or now_ms < window.closes_ms
