"""What can be decided about a send: `Call` Meta, or one of the six outcomes that a step ends in."""

from dataclasses import dataclass
from datetime import datetime

from common.contracts.contacts import Contact
from common.contracts.journal import Entry, State
from common.contracts.messages import MetaError


@dataclass(frozen=True, slots=True)
class Call:
    """Ask Meta, as attempt number `attempt` (1 is the first)."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Sent:
    """Meta took it. A read mark has no `wamid`; `message_status` is Meta's word for what it does with the message."""

    wamid: str | None
    contact: Contact | None = None
    message_status: str | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Meta did not take it; try again at `due`. `attempt` is the one that failed."""

    due: datetime
    error: MetaError
    attempt: int


@dataclass(frozen=True, slots=True)
class Dead:
    """It ends here, in one of the states that are ends. A `letter` goes to the dead-letter queue."""

    error: MetaError
    letter: bool = False
    state: State = State.FAILED


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Meta may have it: wait for a status until `until`."""

    until: datetime
    error: MetaError | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """The whole number waits: `base` seconds, doubled each time in a row, at most `cap`.

    With `apart` it is not the number that waits, but the template or kind of the message that was refused. `rejected`
    is set when Meta refuses the access token, which its owner should learn; `refused` when Meta refuses the number as a
    whole: its token, its account, or itself. Other waits pass by themselves.
    """

    base: float
    cap: float
    rejected: bool = False
    refused: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now, and it does not count: this conversation waits until `until`, with `hold` the whole number does."""

    until: datetime
    error: MetaError | None = None
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class Apart:
    """Not before `due`, because Meta refuses its template or kind: it leaves its conversation until then.

    `subject` names that. `news` says that its producer should learn of it: the first time, and when the wait doubles.
    """

    due: datetime
    error: MetaError | None = None
    subject: str = ""
    news: bool = False


Outcome = Sent | Retry | Dead | InDoubt | Defer | Apart


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of a step: the outcome and the entry as it stands (None: there is none).

    `recorded` says whether this step wrote the outcome down (it may have stood there), `answered` whether Meta spoke.
    `contested` says that another session works on the same send: it may have our partition.
    """

    outcome: Outcome
    entry: Entry | None
    recorded: bool = False
    answered: bool = False
    contested: bool = False
