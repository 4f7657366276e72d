"""From a decision to what the journal shall say: pure."""

from datetime import datetime

from msgspec.structs import replace

from common.contracts.contacts import Contact
from common.contracts.messages import MetaError
from sender.journal.entry import Entry, State, Transition
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
    """The entry of a send that nobody has touched; it is never stored as it is (`claimed` 0 times, no token)."""
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
    """What to write for an outcome; None when the journal says so already (or has nothing to say)."""
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
            # The attempt is given back: it did not count.
            waiting = replace(base, state=State.DEFERRED, attempt=entry.attempt - 1, due=outcome.until)
            return _transition(entry, replace(waiting, error=outcome.error))
        case Apart():
            if entry is not None and entry.apart and entry.due == outcome.due:
                return None
            attempt = base.attempt - (entry is not None and entry.state is State.CLAIMED)
            waiting = replace(base, state=State.DEFERRED, attempt=attempt, due=outcome.due, apart=outcome.subject)
            return _transition(entry, _with_error(waiting, outcome.error, now))


def settle(entry: Entry, wamid: str, contact: Contact | None, *, token: str, now: datetime) -> Transition | None:
    """What a status of Meta's says about a send that has not ended: Meta has it. None when that is known.

    A send that ended as failed stays so, and the wamid keeps it from ever being replayed.
    """
    if entry.state is State.FAILED and entry.wamid is None:
        return _transition(entry, replace(entry, token=token, at=now, wamid=wamid))
    if entry.ended:
        return None
    return _transition(entry, _accepted(replace(entry, token=token, at=now, due=None, doubted_at=None), wamid, contact))


def fail_later(entry: Entry, wamid: str, failure: MetaError, *, token: str, failed_at: datetime) -> Transition | None:
    """Meta had accepted a message, and reports later that it failed; None when that is known.

    A report of another wamid is of an earlier call for the same send, and says nothing of this one.
    """
    if entry.state is not State.ACCEPTED or entry.wamid != wamid or entry.failure is not None:
        return None
    return _transition(entry, replace(entry, token=token, failure=failure, failed_at=failed_at))


def deliver_after_all(entry: Entry, wamid: str, *, token: str) -> Transition | None:
    """A message that Meta had reported as failed was delivered, to another device; None when no failure is known."""
    if entry.wamid != wamid or entry.failure is None:
        return None
    return _transition(entry, replace(entry, token=token, failure=None, failed_at=None))


def reopen(entry: Entry, replay: int, *, owner: str, token: str, now: datetime) -> Transition:
    """A dead letter is sent again, with all of its attempts."""
    fresh = replace(entry, state=State.RETRYING, attempt=0, replays=replay, letter=False, due=None)
    return _transition(entry, replace(fresh, owner=owner, token=token, at=now, first_failed_at=None))


def cancel(entry: Entry | None, fresh: Entry, *, token: str, now: datetime) -> Transition | None:
    """Have a send never sent; None when it is too late for that, or it may be.

    It is not while Meta provably does not have it and nobody is calling: so what may be retried can be cancelled.
    """
    if entry is not None and entry.state not in {State.RETRYING, State.DEFERRED}:
        return None
    error = MetaError(reason="cancelled", details="cancelled before Meta took it")
    base = replace(entry or fresh, state=State.CANCELLED, error=error, token=token, at=now, due=None)
    return _transition(entry, base)


def _doubted_at(entry: Entry | None) -> datetime | None:
    """When the doubt arose that another session left behind."""
    if entry is None or entry.state is not State.IN_DOUBT:
        return None
    return entry.doubted_at or entry.at


def _accepted(entry: Entry, wamid: str | None, contact: Contact | None) -> Entry:
    return replace(entry, state=State.ACCEPTED, wamid=wamid, contact=contact, error=None)


def _with_error(entry: Entry, error: MetaError | None, now: datetime) -> Entry:
    return replace(entry, error=error, first_failed_at=entry.first_failed_at or now)


def _transition(entry: Entry | None, then: Entry) -> Transition:
    return Transition(then, expected=entry.token if entry else None, before=entry.state if entry else None)
