"""The decisions about a send: `Call` Meta, or end the step with one of six outcomes."""

from dataclasses import dataclass
from datetime import datetime

from common.contracts.contacts import Contact
from common.contracts.journal import Entry, State
from common.contracts.messages import MetaError


@dataclass(frozen=True, slots=True)
class Call:
    """Call Meta, as attempt number `attempt` (1 is the first)."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Sent:
    """Meta accepted it. A read mark has no `wamid`. `message_status` is that of Meta's answer."""

    wamid: str | None
    contact: Contact | None = None
    message_status: str | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """The call failed and counts; try again at `due`. `attempt` is the number of the failed call."""

    due: datetime
    error: MetaError
    attempt: int


@dataclass(frozen=True, slots=True)
class Dead:
    """The send ends without success, in `state`. A `letter` goes to the dead-letter queue."""

    error: MetaError
    letter: bool = False
    state: State = State.FAILED


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Meta may have the message: wait for a status until `until`."""

    until: datetime
    error: MetaError | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """The whole number waits: `base` seconds, doubled each time in a row, at most `cap`.

    - `apart`: only the template or kind of the message that was refused waits, and not the number.
    - `rejected`: Meta refuses the access token; the sender reports this to accounts.
    - `refused`: Meta refuses the number as a whole: its token, its account, or the number itself. Other waits end by
      themselves.
    """

    base: float
    cap: float
    rejected: bool = False
    refused: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Defer:
    """Wait without counting an attempt: this conversation waits until `until`; with `hold` the whole number waits."""

    until: datetime
    error: MetaError | None = None
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class Apart:
    """Meta refuses its template or kind (`subject`): it leaves its conversation until `due`.

    `news`: its producer should be told, which is so for the first wait and whenever the wait has doubled.
    """

    due: datetime
    error: MetaError | None = None
    subject: str = ""
    news: bool = False


Outcome = Sent | Retry | Dead | InDoubt | Defer | Apart


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of a step: the outcome, and the journal entry after it (None: there is none).

    - `recorded`: this step wrote the outcome to the journal; otherwise it was there before.
    - `answered`: Meta answered the call.
    - `contested`: another session works on the same send, and may own our partition.
    """

    outcome: Outcome
    entry: Entry | None
    recorded: bool = False
    answered: bool = False
    contested: bool = False
