"""The outcome of a send whose files are not ready. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from common.contracts.messages import MetaError
from common.meta.call_ends import Unclear
from sender.delivery.core import Rules, after
from sender.media.failures import MediaFailure, SourceUnavailable, Unusable, UploadRejected
from sender.outcomes import Dead, Defer, Outcome, Retry

_WAIT_CAP_SECONDS: Final = 8.0
_MAX_EXPONENT: Final = 10


def outcome_of(failure: MediaFailure, *, attempt: int, strikes: int, now: datetime, rules: Rules) -> Outcome:
    """The outcome of attempt number `attempt`, whose call was not made because of `failure`.

    `strikes` counts how often in a row this conversation was deferred. An upload may be repeated without harm, so a
    failed upload is never in doubt.
    """
    match failure:
        case Unusable():
            return Dead(failure.error)
        case UploadRejected():
            return after(failure.end, attempt=attempt, repeatable=True, strikes=strikes, now=now, rules=rules)
        case SourceUnavailable():
            return _counted(failure.error, attempt, now, rules)
        case _:
            wait = min(2.0 ** min(strikes, _MAX_EXPONENT), _WAIT_CAP_SECONDS)
            return Defer(now + timedelta(seconds=wait), failure.error)


def retry_with_new_media(outcome: Outcome, *, attempt: int, now: datetime, rules: Rules) -> Outcome:
    """Turn the end of a send into a retry, because its media ids were forgotten and new ones may work."""
    return _counted(outcome.error, attempt, now, rules) if isinstance(outcome, Dead) else outcome


def _counted(error: MetaError, attempt: int, now: datetime, rules: Rules) -> Outcome:
    """The next of the retries, or the end after the last."""
    outcome = after(Unclear(""), attempt=attempt, repeatable=True, strikes=0, now=now, rules=rules)
    return replace(outcome, error=error) if isinstance(outcome, Retry | Dead) else outcome
