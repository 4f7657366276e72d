"""Whether to call Meta for a send, and what the answer means: pure functions of request, account, journal and answer.

`before` decides whether to call Meta; `after` decides what its answer means. A step ends in exactly one of
`Sent`, `Retry`, `Dead`, `InDoubt`, `Defer` and `Apart`. Duplicates are noticed in `worker.effects`.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from common.contracts.accounts import AccountData
from common.contracts.journal import Entry, State
from common.contracts.messages import MetaError
from common.contracts.sends import SendRequest
from common.contracts.topics import RETRIES
from common.meta.call_ends import Answered, CallEnd, NotSent
from common.meta.errors import GraphFailure, Klass, Scope, classify
from sender.delivery.meta_answer import acceptance_of
from sender.delivery.scopes import APART, scope_of, subject_of
from sender.outcomes import Apart, Call, Dead, Defer, Hold, InDoubt, Outcome, Retry, Sent

MAX_ATTEMPTS: Final = len(RETRIES) + 1
CLAIM_FRESH_SECONDS: Final = 5.0
"""An older claim is given back unused: a session that finds a claim assumes that its call ends in a fixed time."""

_PAIR_BASE: Final = 4.0  # Meta asks for 4^n seconds between tries of a throttled pair
_PAIR_CAP_SECONDS: Final = 64.0
_AWAY_CAP_SECONDS: Final = 30.0
_THROTTLE_CAP_SECONDS: Final = 60.0
_APART_CAP_SECONDS: Final = 3_600.0
_OUTAGE_BASE_SECONDS: Final = 0.5
_OUTAGE_CAP_SECONDS: Final = 10.0
_LISTEN_SECONDS: Final = 15.0
_MAX_WINDOWS: Final = 3
_LEAST_SECONDS: Final = 0.5
_GRACE_SECONDS: Final = 1.0
_CONTESTED: Final = "another session works on a record with the same messageId"
_UNRESOLVED: Final = "in_doubt_unresolved"
_PAIR_LIMIT: Final = 131056
_TOO_FAST: Final = frozenset({4, 80007, 130429})
EXPIRED: Final = Dead(MetaError(reason="expired", details="expiresAt passed before Meta took it"), state=State.EXPIRED)
WINDOW_CLOSED: Final = Dead(
    MetaError(
        reason="window_closed",
        details="the person has not written within 24 hours; only a template can be sent (Meta would say 131047)",
    )
)
_MAX_EXPONENT: Final = 10  # far above every cap, far below an overflow


@dataclass(frozen=True, slots=True)
class Rules:
    """What operators may configure, in seconds."""

    in_doubt_seconds: float
    in_doubt_resend: bool
    pause_seconds: float
    pause_cap_seconds: float
    hold_seconds: float = 86_400.0


def before(  # noqa: PLR0911  # a ladder of reasons: its order is the rule
    request: SendRequest | MetaError,
    account: AccountData | None,
    entry: Entry | None,
    *,
    owner: str,
    now: datetime,
    rules: Rules,
    silence: float = math.inf,
) -> Call | Outcome:
    """Decide what to do with a request now; a `MetaError` in its place says why it is invalid.

    `owner` is the session that asks. If another session left a claim or a doubt, no session has waited for its status
    since, so its window begins again. `silence` is how many seconds of a doubt have counted
    (`sender.delivery.doubt.clock`).
    """
    if entry is not None:
        standing = _standing(request, entry, owner, now, rules, silence)
        if standing is not None:
            return standing
    if isinstance(request, MetaError):
        return Dead(request, letter=True)
    if expired(request, now):
        return EXPIRED
    if account is None:
        return Dead(MetaError(reason="unknown_account", details="no account has this chatbotId"), letter=True)
    if not account.active:
        return Dead(MetaError(reason="account_deactivated", details="the account is deactivated"))
    attempt = (entry.attempt if entry else 0) + 1
    if attempt > MAX_ATTEMPTS:
        return Dead(_unresolved(entry), letter=True)
    return Call(attempt)


def after(
    end: CallEnd,
    *,
    attempt: int,
    repeatable: bool,
    strikes: int,
    now: datetime,
    rules: Rules,
    request: SendRequest | MetaError | None = None,
) -> Outcome:
    """Decide what the end of call number `attempt` means.

    - `repeatable`: sending it twice does no harm (a read mark), so it is never in doubt.
    - `strikes` counts how often in a row this conversation was deferred.
    - `request` says what a refusal concerns; None: the call was an upload for a message.
    """
    if isinstance(end, NotSent):
        wait = min(2.0 ** min(strikes, _MAX_EXPONENT), _AWAY_CAP_SECONDS)
        return Defer(now + timedelta(seconds=wait), MetaError(reason="meta_unreachable", details=end.reason))
    if isinstance(end, Answered):
        sent = acceptance_of(end)
        if sent is not None:
            return sent
        failure = classify(end.status, end.body)
        error = _error(failure)
        if failure.klass is not Klass.AMBIGUOUS or failure.code is not None:
            return _failed(failure, _scope(failure, request), error, attempt, strikes, now, rules)
    else:
        error = MetaError(reason="no_answer", details=end.reason)
    if repeatable:
        return _retry(error, attempt, now)
    return InDoubt(now + timedelta(seconds=rules.in_doubt_seconds), error)


def is_contested(entry: Entry, owner: str) -> bool:
    """Whether another session than `owner` works on a send, or waits for the end of its doubt."""
    return entry.owner != owner and entry.state in {State.CLAIMED, State.IN_DOUBT}


def left_to_other(entry: Entry, now: datetime, rules: Rules) -> Defer:
    """Leave a contested send to the session that took it over, until the doubt window of that session has passed.

    Both sessions may be right, because records of any partition can name the same send. If each took it back from the
    other, each would restart the window, for ever.
    """
    over = max(now, entry.due or now + timedelta(seconds=rules.in_doubt_seconds))
    return Defer(over + timedelta(seconds=_GRACE_SECONDS), MetaError(reason="contested", details=_CONTESTED))


def uncounted(outcome: Outcome, now: datetime) -> Outcome:
    """The outcome of a call during an outage of Meta or of the number: a failure does not count as an attempt.

    A doubt stays a doubt, and a final answer stays final.
    """
    counts = isinstance(outcome, Retry) or (isinstance(outcome, Dead) and outcome.letter)
    if not counts or isinstance(outcome, Sent):
        return outcome
    return Defer(now, outcome.error, Hold(_OUTAGE_BASE_SECONDS, _OUTAGE_CAP_SECONDS))


def kept_apart(
    request: SendRequest, entry: Entry | None, due: datetime, error: MetaError, *, now: datetime, rules: Rules
) -> Apart | Dead:
    """A send whose template or kind Meta refuses waits until `due`, or ends because it has waited long enough.

    `entry` is the journal entry before the attempt. The wait is never longer than the send may wait, so that its end or
    expiry is reported in time.
    """
    since = (entry.first_failed_at if entry is not None else None) or now
    end = since + timedelta(seconds=rules.hold_seconds)
    if now >= end:
        return Dead(error)
    due = min(due, end, request.expires_at or end)
    told = entry.due if entry is not None and entry.apart else None
    news = told is None or due - since >= 2 * (told - since)
    return Apart(due, error, subject_of(request) or "", news)


def may_reopen(replay: int, entry: Entry) -> bool:
    """Whether an operator's replay number `replay` may start this send again.

    The send must have ended as a dead letter, and Meta must not have the message. So a send that ended in doubt is not
    started again, and neither is one for which a status came later.
    """
    dead = entry.state is State.FAILED and entry.letter and entry.wamid is None
    return dead and entry.replays == replay - 1 and (entry.error or MetaError()).reason != _UNRESOLVED


def is_too_fast(error: MetaError | None) -> bool:
    """Whether Meta said that this number, its account or its app exceeds a rate limit."""
    return error is not None and error.code in _TOO_FAST


def is_pair_limit(error: MetaError | None) -> bool:
    """Whether Meta said that this recipient got too many messages from this number."""
    return error is not None and error.code == _PAIR_LIMIT


def expired(request: SendRequest, now: datetime) -> bool:
    """Whether `expiresAt` has passed."""
    return request.expires_at is not None and request.expires_at <= now


def is_repeatable(request: SendRequest | MetaError) -> bool:
    """Whether calling Meta twice does no harm."""
    return isinstance(request, SendRequest) and request.kind == "read"


def _standing(  # noqa: C901, PLR0911  # one answer per state
    request: SendRequest | MetaError, entry: Entry, owner: str, now: datetime, rules: Rules, silence: float
) -> Outcome | None:
    """What the journal alone decides; None when the next attempt may begin."""
    match entry.state:
        case State.ACCEPTED:
            return Sent(entry.wamid, entry.contact, entry.message_status)
        case State.FAILED | State.EXPIRED | State.CANCELLED:
            return Dead(entry.error or MetaError(), letter=entry.letter, state=entry.state)
        case State.RETRYING | State.DEFERRED:
            if entry.due is None or now >= entry.due:
                return None
            return Apart(entry.due, entry.error, entry.apart) if entry.apart else Defer(entry.due, entry.error)
        case State.CLAIMED:
            if is_repeatable(request):
                return None
            # The window begins now, not at the claim, because no session listened for statuses in between.
            return _doubt(entry, now + timedelta(seconds=rules.in_doubt_seconds))
        case State.IN_DOUBT:
            if entry.owner != owner:
                return _doubt(entry, _extended(entry, now, rules))
            if entry.due is not None and now < entry.due:
                return InDoubt(entry.due, entry.error)
            if (left := rules.in_doubt_seconds - silence) > 0:
                # The clock stood still for a while; this is the earliest possible end.
                return InDoubt(now + timedelta(seconds=max(left, _LEAST_SECONDS)), entry.error)
            over = isinstance(request, SendRequest) and expired(request, now)
            return None if rules.in_doubt_resend and not over else Dead(_unresolved(entry), letter=True)


def _extended(entry: Entry, now: datetime, rules: Rules) -> datetime:
    """The end of a doubt that another session left behind.

    Statuses that came while no session worked have yet to be read, so a new owner listens for a whole window. But
    owners that change all the time must not delay a conversation for ever: after three windows the wait is short.
    """
    window = timedelta(seconds=rules.in_doubt_seconds)
    least = now + min(window / 2, timedelta(seconds=_LISTEN_SECONDS))
    whole = min(now + window, (entry.first_failed_at or now) + _MAX_WINDOWS * window)
    return max(entry.due or now, least, whole)


def _doubt(entry: Entry, until: datetime) -> InDoubt:
    return InDoubt(
        until,
        entry.error or MetaError(reason="no_record", details="the sender stopped before it knew the answer"),
    )


def _unresolved(entry: Entry | None) -> MetaError:
    if entry is not None and entry.state is not State.IN_DOUBT and entry.error is not None:
        return entry.error
    return MetaError(reason=_UNRESOLVED, details="no answer and no status said whether Meta took it")


def _scope(failure: GraphFailure, request: SendRequest | MetaError | None) -> Scope:
    """How far the failure reaches. Without a code the HTTP status decides."""
    if failure.code is None:
        return failure.rule.scope
    return scope_of(failure.code, failure.subcode, request)


def _failed(  # noqa: PLR0911  # one answer per class and scope
    failure: GraphFailure, scope: Scope, error: MetaError, attempt: int, strikes: int, now: datetime, rules: Rules
) -> Outcome:
    rule = failure.rule
    match rule.klass:
        case Klass.RETRY | Klass.AMBIGUOUS:
            return _retry(error, attempt, now)
        case Klass.ACCOUNT | Klass.AUTH | Klass.WAIT if scope in APART:
            base = max(rules.pause_seconds, rule.seconds)
            return Defer(now, error, Hold(base, max(base, _APART_CAP_SECONDS), refused=True, apart=True))
        case Klass.THROTTLE if scope in (Scope.PAIR, Scope.GROUP):
            wait = min(_PAIR_BASE ** min(strikes, _MAX_EXPONENT), _PAIR_CAP_SECONDS)
            return Defer(now + timedelta(seconds=wait), error)
        case Klass.THROTTLE:
            # App and WABA limits are learnt number by number: each number meets the limit once and waits on its own.
            base = max(1.0, rule.seconds)
            return Defer(now, error, Hold(base, max(base, _THROTTLE_CAP_SECONDS)))
        case Klass.WAIT if scope is Scope.NUMBER:
            pause = max(rules.pause_cap_seconds, rule.seconds)
            return Defer(now, error, Hold(rules.pause_cap_seconds, pause, refused=True))
        case Klass.ACCOUNT | Klass.AUTH if scope not in (Scope.MESSAGE, Scope.GROUP):
            rejected = rule.klass is Klass.AUTH
            return Defer(now, error, Hold(rules.pause_seconds, rules.pause_cap_seconds, rejected, refused=True))
        case Klass.PERMANENT | Klass.WAIT | Klass.ACCOUNT | Klass.AUTH:
            return Dead(error)


def _retry(error: MetaError, attempt: int, now: datetime) -> Retry | Dead:
    if attempt >= MAX_ATTEMPTS:
        return Dead(error, letter=True)
    return Retry(now + timedelta(milliseconds=RETRIES[attempt - 1][1]), error, attempt)


def _error(failure: GraphFailure) -> MetaError:
    said = ". Meta: ".join(text for text in (failure.advice, failure.details) if text)
    return MetaError(code=failure.code, reason=failure.rule.reason, title=failure.message, details=said or None)
