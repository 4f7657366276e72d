"""What the outcome of a step changes: its lane, its number's rate and hold, and what the next transaction writes.

Synchronous, no IO.
"""

import logging
from functools import partial

from common.contracts.journal import Entry
from common.kafka.records import Outgoing
from sender.delivery import results
from sender.delivery.core import is_pair_limit, is_too_fast
from sender.dispatch.model import Item, Wait
from sender.journal.content import differs, digest_of
from sender.outcomes import Apart, Dead, Defer, Hold, InDoubt, Retry, Sent, StepResult
from sender.records.job import Job
from sender.worker.commits import CommitEntry
from sender.worker.parts import WorkerParts
from sender.worker.state import SessionState

log = logging.getLogger(__name__)


class Effects:
    """Applies outcomes in one session. A record is finished once, together with the records that its step leads to."""

    def __init__(self, state: SessionState, parts: WorkerParts) -> None:
        self._lanes = state.lanes
        self._commits = state.commits
        self._in_doubt = state.in_doubt
        self._changed = state.changed
        self._partition = state.partition
        self._delivery = parts.delivery
        self._doubt_watcher = parts.doubt_watcher
        self._dead_letters = parts.dead_letters
        self._rates = parts.rate_limits

    def apply(self, item: Item[Job], step: StepResult) -> None:  # noqa: C901  # one branch per outcome
        """Let the lane go on or wait, and write what the producer has to learn."""
        job, entry, outcome = item.payload, step.entry, step.outcome
        if step.answered and not (isinstance(outcome, Defer) and outcome.hold):
            self._lanes.lift(item.tenant)
        if not isinstance(outcome, InDoubt):
            self._end_doubt(item)
        self._keep_rate(item, step)
        if isinstance(outcome, Sent) and step.recorded:
            self._rates.learn_contact(job.chatbot_id, job.to, outcome.contact)
        match outcome:
            case Sent() | Dead():
                assert entry is not None  # noqa: S101  # an end is always recorded
                self._dead_letters.ended(job.chatbot_id, entry, self._now())
                self._lanes.finish(item)
                self._write_end(item, entry, recorded=step.recorded)
            case Retry():
                assert entry is not None  # noqa: S101  # so is a failure
                self._lanes.expect(item, outcome.attempt)
                self.finish_record(item, results.retry(job, entry, outcome, self._partition))
            case Apart():
                self._lanes.finish(item)
                self.finish_record(item, *results.waiting(job, step, self._delivery.now()))
            case InDoubt():
                assert entry is not None  # noqa: S101  # so is a doubt
                if step.recorded:
                    self._commits.write(CommitEntry((results.result(job, entry, self._delivery.now()),)))
                self._in_doubt[item.id] = item.lane
                self._doubt_watcher.add(job.journal_id, partial(self._settled, item.id))
                self._lanes.block(item, outcome.until.timestamp(), self._now())
            case Defer():
                item.strikes += 1
                item.wait = Wait(outcome.until.timestamp(), outcome.error) if outcome.error is not None else None
                if (hold := outcome.hold) is not None:
                    self._hold(item, step, hold)
                self._lanes.block(item, outcome.until.timestamp(), self._now())

    def finish_record(self, item: Item[Job], *outgoing: Outgoing) -> None:
        """Finish a record, or a parked send, with the records that it leads to."""
        parked = (item.id, item.parked) if item.parked is not None else None
        if parked is not None:
            self._lanes.overflow.copy_ended(parked[1])
        self._commits.write(CommitEntry(outgoing, item.partition, item.offset, parked))

    def _write_end(self, item: Item[Job], entry: Entry, *, recorded: bool) -> None:
        """Write the result; or, when the id belongs to other content, only that this record is a duplicate."""
        job, now = item.payload, self._delivery.now()
        if not recorded and differs(entry, digest_of(job.body)):
            log.info(
                "another content has this message id", extra={"journal_id": entry.id, "chatbot_id": job.chatbot_id}
            )
            self.finish_record(item, results.duplicate(job, entry, now))
            return
        letters = (results.dead_letter(job, entry),) if entry.letter else ()
        self.finish_record(item, results.result(job, entry, now), *letters)

    def _hold(self, item: Item[Job], step: StepResult, hold: Hold) -> None:
        """Hold the number. The producer is told the first time that this message is refused."""
        reason = item.wait.error if item.wait is not None else None
        self._lanes.hold(item.tenant, self._now(), hold.base, hold.cap, refused=hold.refused, reason=reason)
        if hold.refused and item.strikes == 1 and step.recorded and step.entry is not None:
            due = self._lanes.holds.until(item.tenant)
            item.told = step.entry.error.reason if step.entry.error is not None else None
            result = results.result(item.payload, step.entry, self._delivery.now(), due=due)
            self._commits.write(CommitEntry((result,)))

    def _keep_rate(self, item: Item[Job], step: StepResult) -> None:
        rates, outcome = self._rates, step.outcome
        if item.paced and step.recorded and isinstance(outcome, Sent | InDoubt):
            rates.sent(item.lane, self._now())
        elif isinstance(outcome, Defer) and is_too_fast(outcome.error):
            rates.number(item.tenant).throttled(self._now())
        elif isinstance(outcome, Defer) and step.answered and is_pair_limit(outcome.error):
            rates.pair_refused(item.lane, self._now())

    def _settled(self, send: str, _journal_id: str) -> None:
        lane = self._in_doubt.get(send)
        if lane is not None:
            self._lanes.wake(send, lane, self._now())
            self._changed.set()

    def _end_doubt(self, item: Item[Job]) -> None:
        if self._in_doubt.pop(item.id, None) is not None:
            self._doubt_watcher.remove(item.payload.journal_id)

    def _now(self) -> float:
        return self._delivery.now().timestamp()
