"""The messages that the two conversations have before the run: how many, and what each looks like. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

Json = dict[str, Any]

BY_USER: Final = "u"
"""The conversation that is known by the person's BSUID. It remains."""

BY_PHONE: Final = "p"
"""The one that is known by the phone number. It is absorbed."""

SHARE_BY_USER: Final = 4
"""It has as many messages as the other one divided by this, all over the same time."""

_PER_SECOND: Final = 3
"""Messages with the same time, so that their order is that of their places."""

_PREFIX: Final = "merging"


@dataclass(frozen=True, slots=True)
class Seed:
    """The messages of one side: `count` of them, one in the time of `every` messages of the other side."""

    side: str
    count: int
    every: int

    def text(self, marker: str, number: int) -> str:
        """What message `number` says."""
        return f"{marker} {self.side} {number}"

    def document(
        self, like: Mapping[str, Any], conversation_id: str, marker: str, began: datetime, number: int
    ) -> Json:
        """Message `number` as it is stored; `like` is a message that the service has stored."""
        at = began + timedelta(seconds=number * self.every // _PER_SECOND)
        name = f"{_PREFIX}-{self.side}-{number}"
        return {
            **like,
            "_id": name,
            "wamid": f"wamid.{name}",
            "conversationId": conversation_id,
            "text": self.text(marker, number),
            "place": number + 1,
            "timestamp": at,
            "createdAt": at,
            "origin": name,
        }


def seeds_of(messages: int) -> tuple[Seed, Seed]:
    """The two sides of a merge that moves so many messages: the one that remains, and the one that is absorbed."""
    return Seed(BY_USER, messages // SHARE_BY_USER, SHARE_BY_USER), Seed(BY_PHONE, messages, 1)


def number_of(message_id: str) -> tuple[str, int] | None:
    """The side and the number of a message; None for one that is not from here."""
    prefix, _, rest = message_id.partition("-")
    side, _, number = rest.partition("-")
    return (side, int(number)) if prefix == _PREFIX else None


def conversation_by_phone(by_user: Mapping[str, Any], phone: str, count: int, last: datetime) -> Json:
    """The conversation that knows the phone number alone, made like the one that knows the BSUID."""
    number = by_user["phoneNumberId"]
    return {
        "_id": f"{_PREFIX}-{by_user['_id']}",
        "phoneNumberId": number,
        "chatbotId": by_user["chatbotId"],
        "aliases": [f"{number}|p:{phone}"],
        "contact": {"waId": phone, "name": by_user["contact"]["name"]},
        "createdAt": last,
        "updatedAt": last,
        "lastMessageAt": last,
        "lastInboundAt": last,
        "inboundCount": count,
        "lastPlace": count,
    }


def parts(count: int, size: int) -> Iterator[range]:
    """The numbers of so many messages, in parts."""
    return (range(start, min(start + size, count)) for start in range(0, count, size))
