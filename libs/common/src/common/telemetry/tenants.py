"""Which chatbots have metrics under their own id."""

from typing import Final

from common.telemetry.metrics import OTHER

UNKNOWN: Final = "unknown"
"""The tenant of records whose account does not exist, or cannot be read. An account of this name shares its counts."""


class Tenants:
    """Names for the label `chatbot_id`: the first `most` chatbots that come have their own, the others share one.

    So what Prometheus has to keep is bounded, however many there are. After a restart others may be the first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._named: set[str] = set()

    def name(self, chatbot_id: str) -> str:
        """The label's value for this chatbot; `UNKNOWN` takes no place."""
        if chatbot_id in self._named or chatbot_id == UNKNOWN:
            return chatbot_id
        if len(self._named) < self._most:
            self._named.add(chatbot_id)
            return chatbot_id
        return OTHER
