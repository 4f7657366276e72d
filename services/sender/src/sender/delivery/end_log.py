"""One INFO line for each send that ends as failed (refused by us or by Meta) or expired.

The number of lines per minute is limited. Further ends are counted, and the count is logged at the end of the minute.
So a campaign of 50,000 that fails does not fill the disk, and nothing of it is hidden.
"""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from common.contracts.journal import State
from sender.outcomes import Dead, StepResult
from sender.records.job import Job

log = logging.getLogger(__name__)

SPAN_SECONDS: Final = 60.0
MAX_OF_CHATBOT: Final = 100
MAX_IN_ALL: Final = 1_000
"""Lines in one span of time: of one chatbot, so that there is room for the others, and of all."""


@dataclass(slots=True)
class Allowance:
    """The lines that may be written in the current span. Pure: the time (in seconds) is an argument."""

    until: float = 0.0
    written: Counter[str] = field(default_factory=Counter)
    suppressed: int = 0

    def take(self, chatbot_id: str, now: float) -> bool:
        """Whether one more line may be written; if not, count it."""
        if now >= self.until:
            self.until, self.written = now + SPAN_SECONDS, Counter()
        if self.written[chatbot_id] >= MAX_OF_CHATBOT or self.written.total() >= MAX_IN_ALL:
            self.suppressed += 1
            return False
        self.written[chatbot_id] += 1
        return True

    def take_suppressed(self) -> int:
        """The number of lines suppressed since the last call."""
        count, self.suppressed = self.suppressed, 0
        return count


class EndLog:
    """Writes the lines of a process."""

    def __init__(self) -> None:
        self._allowance = Allowance()
        self._timer: asyncio.TimerHandle | None = None

    def note(self, job: Job, step: StepResult) -> None:
        """Log the end of a step. A send that had ended before, and was only read again, gets no second line."""
        if not step.recorded or not isinstance(step.outcome, Dead) or step.outcome.state is State.CANCELLED:
            return
        loop = asyncio.get_running_loop()
        if self._allowance.take(job.chatbot_id, loop.time()):
            log.info("send ended without success", extra=line_of(job, step.outcome, step))
        elif self._timer is None:
            self._timer = loop.call_at(self._allowance.until, self._log_suppressed)

    async def close(self) -> None:
        """Log the count of suppressed lines."""
        if self._timer is not None:
            self._timer.cancel()
            self._log_suppressed()

    def _log_suppressed(self) -> None:
        self._timer = None
        log.info(
            "more sends ended without success; their lines were left out",
            extra={"count": self._allowance.take_suppressed()},
        )


def line_of(job: Job, outcome: Dead, step: StepResult) -> dict[str, object]:
    """Ids, the code and the reason; no message text and no phone number. Pure."""
    return {
        "state": str(outcome.state),
        "chatbot_id": job.chatbot_id,
        "message_id": job.message_id,
        "journal_id": job.journal_id,
        "code": outcome.error.code,
        "reason": outcome.error.reason,
        "attempts": step.entry.attempt if step.entry is not None else 0,
        "dead_letter": outcome.letter,
        "correlation_id": job.trace.correlation_id,
    }
