"""Sends whose template or kind ("subject") Meta refuses at present: whether to call, and what an answer says. No IO."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from common.contracts.journal import Entry, State
from common.contracts.messages import MetaError
from common.contracts.sends import SendRequest
from sender.clock import to_millis
from sender.delivery.core import Rules, kept_apart
from sender.delivery.scopes import subject_of
from sender.limits.refusals import RefusedSubjects, Waits
from sender.outcomes import Apart, Dead, Defer, Outcome, Sent
from sender.records.job import Job


@dataclass(frozen=True, slots=True)
class SubjectRefusals:
    """Reads and updates `refused`, the memory of the process. `entry` is the journal entry before the attempt."""

    refused: RefusedSubjects
    rules: Rules
    now: Callable[[], datetime]

    def before_call(self, job: Job, request: SendRequest, entry: Entry | None) -> Apart | Dead | None:
        """The outcome of a send whose subject is refused; None when Meta may be called."""
        if job.chatbot_id not in self.refused or (entry is not None and entry.state is State.IN_DOUBT):
            return None
        subject, now = subject_of(request), self.now()
        waits = self.refused.wait(job.chatbot_id, subject, job.item_id, now.timestamp()) if subject else None
        return self._kept_apart(request, entry, waits, now) if waits is not None else None

    def after_call(self, job: Job, request: SendRequest, entry: Entry | None, outcome: Outcome) -> Outcome:
        """Note what the outcome of a call says of the subject; `Apart` or `Dead` when Meta refuses the subject."""
        hold = outcome.hold if isinstance(outcome, Defer) else None
        apart = hold if hold is not None and hold.apart else None
        chatbot, send = job.chatbot_id, job.item_id
        if apart is None and chatbot not in self.refused:
            return outcome
        subject, now = subject_of(request), self.now()
        if subject is None:
            return outcome
        if apart is not None:
            error = (outcome.error if isinstance(outcome, Defer) else None) or MetaError()
            waits = self.refused.refuse(chatbot, subject, send, now.timestamp(), apart, error)
            return self._kept_apart(request, entry, waits, now)
        if isinstance(outcome, Sent | Dead):
            self.refused.take(chatbot, subject)
        else:
            self.refused.give_up(chatbot, subject, send)
        return outcome

    def _kept_apart(self, request: SendRequest, entry: Entry | None, waits: Waits, now: datetime) -> Apart | Dead:
        due = to_millis(int(waits.due * 1e9))
        return kept_apart(request, entry, due, waits.error, now=now, rules=self.rules)
