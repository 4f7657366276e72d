"""What a status of Meta's changes in the memory of this process: opt-outs, names of one person, closed windows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from common.contracts.messages import StatusData
from common.meta.errors import OPTED_OUT
from sender.limits.numbers import RateLimits
from sender.limits.opt_outs import OptOuts
from sender.limits.service_window import CLOSED, ServiceWindows

_FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class StatusEffects:
    """Updates these limits with each status."""

    opt_outs: OptOuts
    rate_limits: RateLimits
    windows: ServiceWindows
    now: Callable[[], datetime]

    def note(self, status: StatusData) -> None:
        """A status was read. Harmless to repeat."""
        failed_with = status.error.code if status.status == _FAILED and status.error is not None else None
        if failed_with == OPTED_OUT:
            self.opt_outs.failed(status.journal_id or "", self.now())
        if status.chatbot_id is not None:
            self.rate_limits.learn_contact(status.chatbot_id, None, status.contact)
        if failed_with == CLOSED and status.phone_number_id and status.contact and status.timestamp:
            self.windows.failed(status.phone_number_id, status.contact, status.timestamp, self.now())
