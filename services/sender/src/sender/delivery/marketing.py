"""Whether a marketing template may go to its recipient, who may have opted out of marketing messages."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from common.contracts.sends import SendRequest
from common.meta.errors import OPTED_OUT
from sender.delivery.scopes import subject_of, template_of
from sender.limits.opt_outs import OptOuts
from sender.limits.service_window import ServiceWindows
from sender.outcomes import Dead, Outcome, Sent
from sender.records.job import Job


@dataclass(frozen=True, slots=True)
class MarketingCheck:
    """`opt_outs` is the memory of the process. `learn` adds what other processes have noted in the journal."""

    opt_outs: OptOuts
    learn: Callable[[str, str, str, datetime], Awaitable[None]]
    windows: ServiceWindows
    now: Callable[[], datetime]

    async def is_forbidden(self, job: Job, request: SendRequest, number_id: str) -> bool:
        """Whether this is a marketing template to a person who has opted out and has not written since."""
        if not (template := template_of(request)):
            return False
        await self.learn(job.chatbot_id, job.lane, template, self.now())
        since = self.opt_outs.since(job.lane)
        if since is None or not self.opt_outs.forbids(job.chatbot_id, job.lane, template, self.now()):
            return False
        if await self.windows.wrote_since(number_id, request.to, since):
            self.opt_outs.wrote(job.lane)
            return False
        return True

    def note(self, job: Job, request: SendRequest, outcome: Outcome) -> None:
        """Note the outcome of a template: a status may yet report an opt-out, or Meta has just said it."""
        subject = subject_of(request) or ""
        if isinstance(outcome, Sent):
            self.opt_outs.sent(job.journal_id, job.chatbot_id, job.lane, subject)
        elif isinstance(outcome, Dead) and outcome.error.code == OPTED_OUT:
            self.opt_outs.refused(job.chatbot_id, job.lane, subject, self.now())
