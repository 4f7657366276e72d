"""What it means for a send that the files of its message are not ready. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from common.contracts.messages import MetaError
from common.meta.call_ends import Unclear
from sender.delivery.core import Rules, after
from sender.media.failures import MediaFailure, NotTaken, SourceAway, Unusable
from sender.outcomes import Dead, Defer, Outcome, Retry

_WAIT_CAP_SECONDS: Final = 8.0
_MAX_EXPONENT: Final = 10


def outcome_of(failure: MediaFailure, *, attempt: int, strikes: int, now: datetime, rules: Rules) -> Outcome:
    """What the failure means for call number `attempt`, which was not made.

    `strikes` counts how often in a row this conversation was deferred. An upload may be repeated without harm, so its
    end is judged like that of a call that is never in doubt.
    """
    match failure:
        case Unusable():
            return Dead(failure.error)
        case NotTaken():
            return after(failure.end, attempt=attempt, repeatable=True, strikes=strikes, now=now, rules=rules)
        case SourceAway():
            return _counted(failure.error, attempt, now, rules)
        case _:
            wait = min(2.0 ** min(strikes, _MAX_EXPONENT), _WAIT_CAP_SECONDS)
            return Defer(now + timedelta(seconds=wait), failure.error)


def once_more(outcome: Outcome, *, attempt: int, now: datetime, rules: Rules) -> Outcome:
    """The outcome of a send whose media ids have been forgotten: what ended it is worth another try with new ones."""
    return _counted(outcome.error, attempt, now, rules) if isinstance(outcome, Dead) else outcome


def _counted(error: MetaError, attempt: int, now: datetime, rules: Rules) -> Outcome:
    """The next of the retries, or the end after the last."""
    outcome = after(Unclear(""), attempt=attempt, repeatable=True, strikes=0, now=now, rules=rules)
    return replace(outcome, error=error) if isinstance(outcome, Retry | Dead) else outcome
