"""One log line per call to Meta that did not succeed; at DEBUG, one per call."""

import logging

from sender.outcomes import Apart, InDoubt, Outcome, Retry, Sent
from sender.records.job import Job

log = logging.getLogger(__name__)


def log_call(job: Job, number: int, outcome: Outcome, seconds: float) -> None:
    """Log attempt `number`: ids and codes, but no message text and no phone number."""
    level = logging.DEBUG if isinstance(outcome, Sent) else logging.WARNING
    if not log.isEnabledFor(level):
        return
    error = None if isinstance(outcome, Sent) else outcome.error
    log.log(
        level,
        "send attempted",
        extra={
            "journal_id": job.journal_id,
            "chatbot_id": job.chatbot_id,
            "attempt": number,
            "outcome": type(outcome).__name__.lower(),
            "code": error.code if error else None,
            "reason": error.reason if error else None,
            "ms": round(seconds * 1000, 1),
            "correlation_id": job.trace.correlation_id,
            **({"in_doubt_until": outcome.until} if isinstance(outcome, InDoubt) else {}),
            **({"due": outcome.due} if isinstance(outcome, Retry | Apart) else {}),
        },
    )
