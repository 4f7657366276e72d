"""The records that a send leads to: results, retries and dead letters. Pure."""

from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from common.contracts import ids, sends, topics
from common.contracts.contacts import contact_key, contact_of_recipient
from common.contracts.envelope import encode
from common.contracts.journal import Entry, State
from common.contracts.messages import MetaError
from common.contracts.send_headers import NOT_BEFORE, REPLAYS
from common.kafka.records import Outgoing, headers_for
from sender.outcomes import Apart, Retry, StepResult
from sender.records.job import Job, UnreadableRecord
from sender.records.onward import headers_of, origin_headers

_TYPES: Final = {
    State.ACCEPTED: sends.ACCEPTED,
    State.FAILED: sends.FAILED,
    State.EXPIRED: sends.EXPIRED,
    State.CANCELLED: sends.CANCELLED,
    State.IN_DOUBT: sends.IN_DOUBT,
    State.DEFERRED: sends.QUEUED,
}


def result(job: Job, entry: Entry, now: datetime, due: float | None = None) -> Outgoing:
    """The `whatsapp-cloud-send-results` record of an entry that has ended, is in doubt, or waits.

    Its id is derived from the entry, so publishing the same end twice gives the same event. `due` (Unix seconds) is the
    time of the next try when the send waits together with its number.
    """
    kind = _TYPES[entry.state]
    waits_until = entry.due if entry.state is State.DEFERRED else None
    if due is not None:
        waits_until = datetime.fromtimestamp(round(due, 3), UTC)
    until = (waits_until.isoformat(),) if waits_until is not None else ()
    data = sends.SendResultData(
        journal_id=entry.id,
        chatbot_id=job.chatbot_id,
        message_id=job.message_id,
        to=job.to,
        attempts=entry.attempt,
        at=entry.at,
        phone_number_id=entry.phone_number_id,
        contact=entry.contact,
        wamid=entry.wamid,
        message_status=entry.message_status,
        error=entry.error,
        due=waits_until,
        request=job.body,
    )
    return _record(job, kind, (str(entry.attempt), *_replay_of(entry), *until), data, now)


def _record(job: Job, kind: str, told: tuple[str, ...], data: sends.SendResultData, now: datetime) -> Outgoing:
    """A record with `data`. `told` makes the ids of several records of one kind differ for one send."""
    trace = job.trace.child()
    event = sends.SendResult(
        id=ids.derive_id("send-result", data.journal_id, kind, *told),
        type=kind,
        version=sends.VERSION,
        occurred_at=data.at,
        recorded_at=now,
        correlation_id=trace.correlation_id,
        causation_id=data.journal_id,
        data=data,
    )
    value = encode(event)
    if len(value) > topics.SEND_RESULTS.max_value_bytes:
        # Numbers can grow when they are encoded again: 1e15 becomes 17 digits.
        value = encode(replace(event, data=replace(data, request=None)))
    # Without an account there is no number, so the chatbot id takes its place.
    key = contact_key(data.phone_number_id or data.chatbot_id, contact_of_recipient(data.to))
    sent = headers_for(trace, event_id=event.id, event_type=kind)
    return Outgoing(topics.SEND_RESULTS.name, key, value, sent, trace=trace)


def duplicate(job: Job, entry: Entry, now: datetime) -> Outgoing:
    """The `whatsapp-cloud-send-results` record of a request whose id belongs to another content.

    It is published beside the results of the send that has the id, and carries none of the content that is not sent.
    """
    data = sends.SendResultData(
        journal_id=entry.id,
        chatbot_id=entry.chatbot_id,
        message_id=entry.message_id,
        to=entry.to,
        attempts=entry.attempt,
        at=now,
        phone_number_id=entry.phone_number_id,
        error=MetaError(reason="duplicate", details="another content has this messageId; this one was not sent"),
    )
    return _record(job, sends.DUPLICATE, (str(job.position.offset),), data, now)


def stored(job: Job, number: str | None, *, due: datetime, error: MetaError, now: datetime) -> Outgoing:
    """The `whatsapp-cloud-send-results` record of a send that waits and was not tried; `number` is its account's.

    It has the same key as the later result, so that the two are read in order. Each reason gives an event of its own.
    """
    data = sends.SendResultData(
        journal_id=job.journal_id,
        chatbot_id=job.chatbot_id,
        message_id=job.message_id,
        to=job.to,
        attempts=job.attempts,
        at=now,
        phone_number_id=number,
        request=job.body,
        due=due,
        error=error,
    )
    return _record(job, sends.QUEUED, (str(job.attempts), error.reason or ""), data, now)


def waiting(job: Job, step: StepResult, now: datetime) -> tuple[Outgoing, ...]:
    """The records that tell a producer that its send waits, because Meta refuses its template or kind."""
    outcome = step.outcome
    news = isinstance(outcome, Apart) and outcome.news and step.recorded
    return (result(job, step.entry, now),) if news and step.entry is not None else ()


def retry(job: Job, entry: Entry, outcome: Retry, partition: int) -> Outgoing:
    """The record of the next attempt, in the retry topic of its delay.

    It goes to the partition that it came from, whatever the key of the first record was, because its lane waits there.
    """
    topic, _ = topics.RETRIES[outcome.attempt - 1]
    headers = {
        **headers_of(job, attempts=outcome.attempt, first_failed_at=entry.first_failed_at),
        **_error_headers(outcome.error),
        NOT_BEFORE: str(round(outcome.due.timestamp() * 1000)),
    }
    event_id = ids.derive_id("send-retry", entry.id, str(outcome.attempt), *_replay_of(entry))
    trace = job.trace.child()
    return Outgoing(
        topic.name,
        job.chatbot_id,
        job.value,
        headers_for(trace, event_id=event_id, event_type="send.retry", extra=headers),
        partition=partition,
        trace=trace,
    )


def dead_letter(job: Job, entry: Entry) -> Outgoing:
    """The dead-letter record of a send that ended without success: its value as given, and why."""
    headers = {
        **headers_of(job, attempts=entry.attempt, first_failed_at=entry.first_failed_at or entry.at),
        **_error_headers(entry.error or MetaError()),
    }
    if entry.replays:
        headers[REPLAYS] = str(entry.replays)
    event_id = ids.derive_id("send-dead", entry.id, *_replay_of(entry))
    trace = job.trace.child()
    return Outgoing(
        topics.SEND_DLQ.name,
        job.chatbot_id,
        job.value,
        headers_for(trace, event_id=event_id, event_type="send.dead", extra=headers),
        trace=trace,
    )


def dead_record(letter: UnreadableRecord, now: datetime) -> Outgoing:
    """The dead-letter record of an unreadable record. A value that is too large for the topic is cut.

    A record can be that large when it came in a compressed batch.
    """
    origin = letter.origin
    event_id = ids.derive_id("send-dead", origin.topic, str(origin.partition), str(origin.offset))
    headers = {
        **origin_headers(origin),
        **_error_headers(letter.error),
        "attempts": "0",
        "first-failed-at": now.isoformat(),
    }
    trace = letter.trace.child()
    return Outgoing(
        topics.SEND_DLQ.name,
        "",
        letter.value[: topics.SEND_DLQ.max_value_bytes],
        headers_for(trace, event_id=event_id, event_type="send.dead", extra=headers),
        trace=trace,
    )


def _replay_of(entry: Entry) -> tuple[str, ...]:
    return (f"replay {entry.replays}",) if entry.replays else ()


def _error_headers(error: MetaError) -> dict[str, str]:
    return {
        "reason": error.reason or "unknown",
        **({"code": str(error.code)} if error.code is not None else {}),
        **({"details": error.details[:500]} if error.details else {}),
    }
