"""Which names are one person's, as far as Meta has told this process: bounded, and gone with it. Synchronous, no IO.

A name is that of a lane (`requests.lane_of`). Meta's answer to a send says which `wa_id` the number has that was asked
for, and the answer or a status may name both the BSUID and the phone of a person. Sends to two names that are not known
as one person's are not in order with each other, and do not share a rate; nothing else is lost.
"""

from collections import OrderedDict
from typing import Final

from common.contracts.contacts import Contact
from sender.records.job import lane_of, lane_of_phone

_MANY: Final = 50_000


class Persons:
    """The main name of each person that has several.

    **Invariants:**
    - A phone has one BSUID: the one that Meta named last. A number can pass to another person.
    - No name leads back to itself.
    """

    def __init__(self, most: int = _MANY) -> None:
        self._most = most
        self._known_as: OrderedDict[str, str] = OrderedDict()
        self._user_of: dict[str, str] = {}

    def name_of(self, name: str) -> str:
        """The name of this person's lane: that of the phone, where it is known."""
        while (known := self._known_as.get(name)) is not None:
            name = known
        return name

    def learn(self, chatbot_id: str, to: str | None, contact: Contact | None) -> list[tuple[str, str]]:
        """Learn a contact, maybe from the answer to a send to `to`. Returns the new names, each with its main name.

        A group teaches nothing, because its contact can be the member who wrote last.
        """
        if contact is None or contact.group_id:
            return []
        asked = lane_of(chatbot_id, to) if to else None
        phone = lane_of_phone(chatbot_id, contact.wa_id) if contact.wa_id else asked
        user = f"{chatbot_id}|u:{contact.user_id}" if contact.user_id else None
        if phone is None or phone == user:
            return []
        return [(name, phone) for name in dict.fromkeys((asked, user)) if name and self._learn(name, phone)]

    def _learn(self, name: str, phone: str) -> bool:
        if name == phone or self.name_of(phone) == name or self.name_of(name) == self.name_of(phone):
            return False
        if "|u:" in name:
            former = self._user_of.get(phone)
            if former is not None:
                self._known_as.pop(former, None)
            self._forget_phone_of(name)
            self._user_of[phone] = name
        self._known_as[name] = phone
        if len(self._known_as) > self._most:
            oldest = next(iter(self._known_as))
            self._forget_phone_of(oldest)
            del self._known_as[oldest]
        return True

    def _forget_phone_of(self, user: str) -> None:
        phone = self._known_as.get(user)
        if phone is not None and self._user_of.get(phone) == user:
            del self._user_of[phone]
