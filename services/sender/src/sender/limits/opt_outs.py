"""People who have stopped marketing messages of a number (131050), as far as this process knows. No IO.

Meta says it in its answer or in a later status. A request does not say whether its template is marketing. A template
counts as marketing once Meta has refused it to any person for this reason. So a template of another category, and every
reply, still goes. What other processes have learnt comes from the journal (`sender.limits.opt_out_lookup`).
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final, TypeVar

from common.contracts.messages import MetaError, StatusData
from common.meta.errors import OPTED_OUT

FORBIDDEN: Final = MetaError(
    reason="recipient_opted_out",
    details="the person has stopped marketing messages from this number (Meta would say 131050); Meta is asked again"
    " for the first marketing template after they write, or after a week",
)
REMEMBERED: Final = timedelta(days=7)
_MANY: Final = 50_000


def has_opted_out(status: StatusData) -> bool:
    """Whether a status says that the person of a send of ours has stopped marketing messages."""
    error = status.error
    return status.status == "failed" and error is not None and error.code == OPTED_OUT and status.journal_id is not None


K = TypeVar("K")
V = TypeVar("V")


class OptOuts:
    """The opt-outs of all numbers of a process. `person` is a lane: a chatbot and a recipient."""

    def __init__(self) -> None:
        self._sent: OrderedDict[str, tuple[str, str, str]] = OrderedDict()
        self._people: OrderedDict[str, datetime] = OrderedDict()
        self._marketing: OrderedDict[tuple[str, str], None] = OrderedDict()

    def sent(self, journal_id: str, chatbot: str, person: str, subject: str) -> None:
        """Meta accepted this template for this person. A status may still say that they have opted out."""
        _put(self._sent, journal_id, (chatbot, person, subject))

    def failed(self, journal_id: str, now: datetime) -> None:
        """A status says that the person of this send has opted out."""
        known = self._sent.pop(journal_id, None)
        if known is not None:
            self.refused(*known, now)

    def refused(self, chatbot: str, person: str, subject: str, now: datetime) -> None:
        """Meta has refused this template to this person, because they have opted out."""
        _put(self._people, person, now)
        _put(self._marketing, (chatbot, subject), None)

    def learn(self, person: str, at: datetime) -> None:
        """The journal says that the person opted out at this time."""
        _put(self._people, person, at)

    def learn_template(self, chatbot: str, subject: str) -> None:
        """The journal says that Meta has refused this template to a person who had opted out."""
        _put(self._marketing, (chatbot, subject), None)

    def is_marketing(self, chatbot: str, subject: str) -> bool:
        """Whether a template is known to be marketing."""
        return (chatbot, subject) in self._marketing

    def wrote(self, person: str) -> None:
        """The person has written: Meta is asked again."""
        self._people.pop(person, None)

    def forbids(self, chatbot: str, person: str, subject: str, now: datetime) -> bool:
        """Whether a template is not to be sent to this person."""
        at = self._people.get(person)
        return at is not None and now < at + REMEMBERED and self.is_marketing(chatbot, subject)

    def since(self, person: str) -> datetime | None:
        """When this process learnt that a person has opted out; None when it has not."""
        return self._people.get(person)


def _put(memory: OrderedDict[K, V], name: K, value: V) -> None:
    memory[name] = value
    memory.move_to_end(name)
    if len(memory) > _MANY:
        memory.popitem(last=False)
