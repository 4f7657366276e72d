"""From a decision to a change of the journal. Pure."""

from datetime import datetime

from msgspec.structs import replace

from common.contracts.contacts import Contact
from common.contracts.journal import Entry, State
from common.contracts.messages import MetaError
from sender.journal.transition import Transition
from sender.outcomes import Apart, Dead, Defer, InDoubt, Outcome, Retry, Sent


def new_entry(
    job_id: str,
    chatbot_id: str,
    message_id: str,
    to: str,
    now: datetime,
    phone_number_id: str | None = None,
    replays: int = 0,
    digest: str | None = None,
    template: str = "",
) -> Entry:
    """The entry of a new send. It is never stored as it is (claimed 0 times, no token)."""
    return Entry(
        id=job_id,
        state=State.CLAIMED,
        attempt=0,
        token="",
        owner="",
        at=now,
        created_at=now,
        chatbot_id=chatbot_id,
        message_id=message_id,
        to=to,
        phone_number_id=phone_number_id,
        replays=replays,
        digest=digest,
        template=template,
    )


def claim(
    entry: Entry | None, fresh: Entry, attempt: int, *, phone_number_id: str, owner: str, token: str, now: datetime
) -> Transition:
    """The right to call Meta as attempt number `attempt`."""
    claimed = replace(
        entry or fresh,
        state=State.CLAIMED,
        attempt=attempt,
        phone_number_id=phone_number_id,
        owner=owner,
        token=token,
        at=now,
        due=None,
        doubted_at=None,
        apart="",
    )
    return _transition(entry, claimed)


def record(  # noqa: C901, PLR0911  # one answer per outcome, and when the journal has it already
    entry: Entry | None, fresh: Entry, outcome: Outcome, *, owner: str, token: str, now: datetime
) -> Transition | None:
    """The transition for an outcome; None when the journal says so already, or needs no entry."""
    base = replace(entry or fresh, owner=owner, token=token, at=now, due=None, doubted_at=None, apart="")
    match outcome:
        case Sent():
            if entry is not None and entry.state is State.ACCEPTED:
                return None
            return _transition(
                entry, replace(_accepted(base, outcome.wamid, outcome.contact), message_status=outcome.message_status)
            )
        case Dead():
            if entry is not None and entry.ended:
                return None
            return _transition(entry, replace(base, state=outcome.state, error=outcome.error, letter=outcome.letter))
        case Retry():
            failed = replace(base, state=State.RETRYING, due=outcome.due)
            return _transition(entry, _with_error(failed, outcome.error, now))
        case InDoubt():
            if entry is not None and entry.state is State.IN_DOUBT and entry.owner == owner:
                return None
            doubt = replace(base, state=State.IN_DOUBT, due=outcome.until, doubted_at=_doubted_at(entry) or now)
            return _transition(entry, _with_error(doubt, outcome.error, now))
        case Defer():
            if entry is None or entry.state is not State.CLAIMED:
                return None
            # The attempt did not count, so the count goes back by one.
            waiting = replace(base, state=State.DEFERRED, attempt=entry.attempt - 1, due=outcome.until)
            return _transition(entry, replace(waiting, error=outcome.error))
        case Apart():
            if entry is not None and entry.apart and entry.due == outcome.due:
                return None
            attempt = base.attempt - (entry is not None and entry.state is State.CLAIMED)
            waiting = replace(base, state=State.DEFERRED, attempt=attempt, due=outcome.due, apart=outcome.subject)
            return _transition(entry, _with_error(waiting, outcome.error, now))


def settle(entry: Entry, wamid: str, contact: Contact | None, *, token: str, now: datetime) -> Transition | None:
    """A status shows that Meta has the message: the send is accepted. None when the journal knows that.

    A send that ended as failed stays failed. It gets the wamid, so that it is never replayed.
    """
    if entry.state is State.FAILED and entry.wamid is None:
        return _transition(entry, replace(entry, token=token, at=now, wamid=wamid))
    if entry.ended:
        return None
    return _transition(entry, _accepted(replace(entry, token=token, at=now, due=None, doubted_at=None), wamid, contact))


def fail_later(entry: Entry, wamid: str, failure: MetaError, *, token: str, failed_at: datetime) -> Transition | None:
    """Meta reports that a message which it accepted has failed; None when the journal knows that.

    A report with another wamid belongs to an earlier call for the same send, and changes nothing.
    """
    if entry.state is not State.ACCEPTED or entry.wamid != wamid or entry.failure is not None:
        return None
    return _transition(entry, replace(entry, token=token, failure=failure, failed_at=failed_at))


def clear_failure(entry: Entry, wamid: str, *, token: str) -> Transition | None:
    """A message that Meta reported as failed was delivered to another device; None when no failure is known."""
    if entry.wamid != wamid or entry.failure is None:
        return None
    return _transition(entry, replace(entry, token=token, failure=None, failed_at=None))


def reopen(entry: Entry, replay: int, *, owner: str, token: str, now: datetime) -> Transition:
    """Send a dead letter again, with a full set of attempts."""
    fresh = replace(entry, state=State.RETRYING, attempt=0, replays=replay, letter=False, due=None)
    return _transition(entry, replace(fresh, owner=owner, token=token, at=now, first_failed_at=None))


def cancel(entry: Entry | None, fresh: Entry, *, token: str, now: datetime) -> Transition | None:
    """Cancel a send; None when it is, or may be, too late.

    A send can be cancelled while it waits for its next attempt, because then Meta provably does not have it and no
    session is calling.
    """
    if entry is not None and entry.state not in {State.RETRYING, State.DEFERRED}:
        return None
    error = MetaError(reason="cancelled", details="cancelled before Meta took it")
    base = replace(entry or fresh, state=State.CANCELLED, error=error, token=token, at=now, due=None)
    return _transition(entry, base)


def _doubted_at(entry: Entry | None) -> datetime | None:
    """When the doubt began, if the entry is in doubt."""
    if entry is None or entry.state is not State.IN_DOUBT:
        return None
    return entry.doubted_at or entry.at


def _accepted(entry: Entry, wamid: str | None, contact: Contact | None) -> Entry:
    return replace(entry, state=State.ACCEPTED, wamid=wamid, contact=contact, error=None)


def _with_error(entry: Entry, error: MetaError | None, now: datetime) -> Entry:
    return replace(entry, error=error, first_failed_at=entry.first_failed_at or now)


def _transition(entry: Entry | None, then: Entry) -> Transition:
    return Transition(then, expected=entry.token if entry else None, before=entry.state if entry else None)
