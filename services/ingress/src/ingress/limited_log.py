"""Log lines that any client can cause: one a minute for each reason, with a count of those left out."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from common.security.signature import looks_signed

log = logging.getLogger(__name__)

_SECONDS: Final = 60.0

UNCONFIGURED: Final = "no app secret is set, so no webhook is accepted; set WHATSAPP_APP_SECRETS"
NO_SIGNATURE: Final = "it has no x-hub-signature-256"
MALFORMED: Final = "its x-hub-signature-256 is not `sha256=` and 64 hexadecimal digits"
WRONG: Final = "its signature was made with none of the app secrets, or for another body"
TOO_LARGE: Final = "its body is too large"


def why_refused(signature: bytes | None, secrets: Sequence[bytes]) -> str:
    """Why a request is refused whose signature was not accepted."""
    if not any(secrets):
        return UNCONFIGURED
    if signature is None:
        return NO_SIGNATURE
    return WRONG if looks_signed(signature) else MALFORMED


class LimitedLog:
    """Warnings with one text, at most one a minute for each `reason`. `now` is a monotonic clock in seconds.

    The reasons have to be few, because each is remembered.
    """

    def __init__(self, text: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._text = text
        self._now = now
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def note(self, reason: str, **about: object) -> None:
        """Log it, or count it until the next line of its reason, which has the count as `suppressed`."""
        now = self._now()
        if now - self._last.get(reason, -_SECONDS) < _SECONDS:
            self._left_out[reason] = self._left_out.get(reason, 0) + 1
            return
        self._last[reason] = now
        left_out = self._left_out.pop(reason, 0)
        log.warning("%s: %s", self._text, reason, extra={"reason": reason, "suppressed": left_out, **about})


refused: Final = LimitedLog("a webhook was refused")
unparsed: Final = LimitedLog("a part of a webhook could not be parsed; it is kept in the webhook log")
