"""One send, one step: look it up, decide, claim, call Meta, decide, record."""

import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Final

from common.contracts.accounts import AccountData
from common.contracts.journal import Entry, State
from common.contracts.messages import MetaError
from common.contracts.sends import SendRequest
from common.errors import AppError, NotFound, Unavailable
from common.http.clients.accounts import Credentials, CredentialsClient
from common.kafka.consume.table import Table
from common.meta.call_ends import Answered, CallEnd
from common.meta.client import GraphClient
from common.security.callbacks import Callbacks
from sender import telemetry
from sender.cas_token import new_token
from sender.clock import utc_now
from sender.delivery.call_log import log_call
from sender.delivery.core import (
    CLAIM_FRESH_SECONDS,
    EXPIRED,
    WINDOW_CLOSED,
    Rules,
    after,
    before,
    expired,
    is_contested,
    is_repeatable,
    left_to_other,
    may_reopen,
    uncounted,
)
from sender.delivery.marketing import MarketingCheck
from sender.delivery.media_outcomes import outcome_of, retry_with_new_media
from sender.delivery.payloads import edge_of, payload
from sender.delivery.scopes import subject_of, template_of
from sender.delivery.subject_refusals import SubjectRefusals
from sender.delivery.transitions import claim, new_entry, record, reopen
from sender.group_commit import GroupCommit
from sender.journal.content import digest_of
from sender.journal.transition import Transition
from sender.limits.circuit_breaker import CircuitBreaker, Signal, signal_of
from sender.limits.numbers import Reservation, unpaced
from sender.limits.opt_outs import FORBIDDEN, OptOuts
from sender.limits.refusals import RefusedSubjects
from sender.limits.service_window import CLOSED, ServiceWindows, needs_window
from sender.media.cache import MediaCache
from sender.media.failures import MediaFailure, NotReady, UploadRejected
from sender.outcomes import Call, Dead, Defer, Hold, Outcome, Sent, StepResult
from sender.records.job import Job
from sender.telemetry import GraphCall

log = logging.getLogger(__name__)

Calling = Callable[[], AbstractContextManager[Reservation]]

_ACCOUNTS_AWAY: Final = Hold(base=1.0, cap=10.0)
_CATCH_UP_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Attempt `number` of a job, by one owner. `entry` is the journal entry before it."""

    job: Job
    request: SendRequest
    number: int
    owner: str
    strikes: int
    calling: Calling
    entry: Entry | None


async def _nothing(*_: object) -> None:
    """The default: other processes' opt-outs are not learnt."""


def _silent(_: Entry) -> float:
    """The default: without a doubt clock, only the window counts."""
    return math.inf


@dataclass(slots=True)
class Delivery:
    """Brings sends one step further. One instance serves all sessions of the process.

    **Invariants:**

    - Meta is called only while the journal has our claim, and the claim is younger than `CLAIM_FRESH_SECONDS`.
    - An outcome is written only over the entry that it was decided on; otherwise the step decides again.
    - An acceptance by Meta is always written, even when another session has taken the send over.
    """

    accounts: Table[AccountData]
    credentials: CredentialsClient
    graph: GraphClient
    media: MediaCache
    windows: ServiceWindows
    transitions: GroupCommit[Transition, Entry]
    loads: GroupCommit[str, Entry | None]
    rules: Rules
    breaker: CircuitBreaker
    on_rejected: Callable[[str, Credentials, int | None], None]
    callbacks: Callbacks
    refused: RefusedSubjects = field(default_factory=RefusedSubjects)
    opt_outs: OptOuts = field(default_factory=OptOuts)
    learn_opt_outs: Callable[[str, str, str, datetime], Awaitable[None]] = _nothing
    now: Callable[[], datetime] = utc_now
    silence: Callable[[Entry], float] = _silent
    on_accepted: Callable[[str, Credentials], None] = lambda _chatbot, _credentials: None
    refusals: SubjectRefusals = field(init=False)
    marketing: MarketingCheck = field(init=False)

    def __post_init__(self) -> None:
        self.refusals = SubjectRefusals(self.refused, self.rules, self.now)
        self.marketing = MarketingCheck(self.opt_outs, self.learn_opt_outs, self.windows, self.now)

    async def step(
        self,
        job: Job,
        *,
        owner: str,
        strikes: int,
        look: bool,
        doubted: bool = False,
        ends: MetaError | None = None,
        calling: Calling = unpaced,
    ) -> StepResult:
        """Bring `job` one step further.

        - `look`: read the journal first, because it may have an entry. A first record just tries to claim.
        - `doubted`: this session has the send in doubt.
        - `ends`: end the send without a call, because its number was refused for too long, for this reason.
        - `calling`: the call to Meta is made within this context, which is told whether Meta accepted the message.
        """
        try:
            account = await self._account(job.chatbot_id)
        except Unavailable as error:
            return StepResult(self._accounts_away(error), None)
        entry = await self.loads.submit(job.journal_id) if look else None
        if doubted and entry is not None and is_contested(entry, owner):
            return self._left(entry)
        while True:
            if entry is not None and may_reopen(job.replay, entry):
                transition = reopen(entry, job.replay, owner=owner, token=new_token(), now=self.now())
                entry = await self.transitions.submit(transition)
                continue
            decision = before(
                job.request,
                account,
                entry,
                owner=owner,
                now=self.now(),
                rules=self.rules,
                silence=self.silence(entry) if entry is not None and entry.state is State.IN_DOUBT else 0.0,
            )
            answered = False
            if isinstance(decision, Call) and ends is not None:
                decision = Dead(ends)
            if isinstance(decision, Call):
                assert account is not None  # noqa: S101  # `before` calls for known accounts only
                assert isinstance(job.request, SendRequest)  # noqa: S101  # and for valid requests
                attempt = _Attempt(job, job.request, decision.attempt, owner, strikes, calling, entry)
                waits = self.refusals.before_call(job, job.request, entry)
                reached = (waits, entry, False) if waits else await self._attempt(attempt, account, entry)
                if isinstance(reached, Entry):
                    entry = reached  # another session was first: decide again
                    continue
                decision, entry, answered = reached
            step = await self._record(job, account, entry, decision, owner)
            if isinstance(step, StepResult):
                return self._as_it_stands(replace(step, answered=answered), account)
            entry = step

    async def _attempt(  # noqa: PLR0911  # one return for each end on the way to a call
        self, attempt: _Attempt, account: AccountData, entry: Entry | None
    ) -> tuple[Outcome, Entry | None, bool] | Entry:
        """Claim and call: (outcome, claim, whether Meta answered); or the entry that made the claim fail."""
        try:
            credentials = await self.credentials.get(account.chatbot_id, revision=account.revision)
        except (Unavailable, NotFound) as error:
            return self._accounts_away(error), entry, False
        prepared = await self._prepared(attempt, credentials)
        if isinstance(prepared, Outcome):
            return prepared, entry, False
        began = time.time_ns()
        transition = self._claim(attempt, entry, credentials)
        standing = await self.transitions.submit(transition)
        if standing.token != transition.won:
            return standing
        telemetry.note_claim(attempt.job, began)
        late = time.time_ns() - began > CLAIM_FRESH_SECONDS * 1e9
        if late or expired(attempt.request, self.now()):
            given_back = Defer(self.now(), MetaError(reason="claim_took_too_long"))
            return given_back if late else EXPIRED, standing, False
        if isinstance(prepared, MediaFailure) and not isinstance(prepared, UploadRejected):
            return self._unprepared(prepared, attempt), standing, False
        waits = self.refusals.before_call(attempt.job, attempt.request, attempt.entry)  # again: it may have changed
        if waits is not None:
            return waits, standing, False
        outcome, answered = await self._called(attempt, prepared, credentials)
        return outcome, standing, answered

    def _claim(self, attempt: _Attempt, entry: Entry | None, credentials: Credentials) -> Transition:
        job, now = attempt.job, self.now()
        return claim(
            entry,
            new_entry(
                job.journal_id,
                job.chatbot_id,
                job.message_id,
                job.to,
                now,
                replays=job.replay,
                digest=digest_of(job.body),
                template=template_of(attempt.request),
            ),
            attempt.number,
            phone_number_id=credentials.phone_number_id,
            owner=attempt.owner,
            token=new_token(),
            now=now,
        )

    async def _called(
        self, attempt: _Attempt, prepared: SendRequest | UploadRejected, credentials: Credentials
    ) -> tuple[Outcome, bool]:
        """Make the call: its outcome, and whether Meta answered."""
        job, began = attempt.job, time.monotonic()
        call = None
        if isinstance(prepared, UploadRejected):
            end = prepared.end
        else:
            held = attempt.strikes > 0 or self.breaker.was_open_since(job.due)
            call = GraphCall(job, attempt.number, held=held)
            with attempt.calling() as reservation:
                end = await self._call(prepared, job.journal_id, credentials, call.traceparent)
                reservation.accepted = isinstance(end, Answered) and end.status == HTTPStatus.OK
        outcome = after(
            end,
            attempt=attempt.number,
            repeatable=is_repeatable(attempt.request) or isinstance(prepared, UploadRejected),
            request=attempt.request,
            strikes=attempt.strikes,
            now=self.now(),
            rules=self.rules,
        )
        had_links = isinstance(prepared, SendRequest) and prepared is not attempt.request
        if had_links and await self.media.forget(credentials.phone_number_id, attempt.request, end):
            # Meta has lost the file of a link; the next attempt uploads it again.
            outcome = retry_with_new_media(outcome, attempt=attempt.number, now=self.now(), rules=self.rules)
        sign = signal_of(end)
        subject = subject_of(attempt.request) if sign is not Signal.UP else None
        if self.breaker.note(job.item_id, job.chatbot_id, sign, time.time(), subject):
            outcome = uncounted(outcome, self.now())
        outcome = self.refusals.after_call(job, attempt.request, attempt.entry, outcome)
        if attempt.request.kind == "template":
            self.marketing.note(job, attempt.request, outcome)
        if call is not None:
            call.ended(end, outcome)
        if isinstance(outcome, Dead) and outcome.error.code == CLOSED:
            self.windows.refused(credentials.phone_number_id, attempt.request.to, self.now())
        log_call(job, attempt.number, outcome, time.monotonic() - began)
        if isinstance(outcome, Defer) and outcome.hold is not None and outcome.hold.rejected:
            self.on_rejected(job.chatbot_id, credentials, outcome.error.code if outcome.error else None)
        if credentials.rejected and isinstance(outcome, Sent):
            self.on_accepted(job.chatbot_id, credentials)
        return outcome, isinstance(end, Answered)

    async def _prepared(self, attempt: _Attempt, credentials: Credentials) -> SendRequest | MediaFailure | Outcome:
        """The request with its files uploaded, or the failure of a file; an outcome when there is nothing to claim."""
        request, number_id = attempt.request, credentials.phone_number_id
        if needs_window(request) and await self.windows.is_closed(number_id, request.to, self.now()):
            return WINDOW_CLOSED
        if await self.marketing.is_forbidden(attempt.job, request, number_id):
            return Dead(FORBIDDEN)
        try:
            return await self.media.prepared(request, number_id, credentials.token.get_secret_value())
        except NotReady as failure:
            return self._unprepared(failure, attempt)
        except MediaFailure as failure:
            return failure

    def _unprepared(self, failure: MediaFailure, attempt: _Attempt) -> Outcome:
        return outcome_of(failure, attempt=attempt.number, strikes=attempt.strikes, now=self.now(), rules=self.rules)

    async def _call(
        self, request: SendRequest, journal_id: str, credentials: Credentials, traceparent: str | None
    ) -> CallEnd:
        token = credentials.token.get_secret_value()
        callback = self.callbacks.data_of(journal_id, credentials.phone_number_id, traceparent)
        body = payload(request, callback)
        return await self.graph.send(credentials.phone_number_id, token, body, edge=edge_of(request))

    async def _record(
        self, job: Job, account: AccountData | None, entry: Entry | None, outcome: Outcome, owner: str
    ) -> StepResult | Entry:
        """Write the outcome to the journal; or return the entry that was there instead, to decide again."""
        number = account.phone_number_id if account else None
        claimed = entry is not None and entry.state is State.CLAIMED and entry.owner == owner
        while True:
            digest = digest_of(job.body)
            fresh = new_entry(
                job.journal_id, job.chatbot_id, job.message_id, job.to, self.now(), number, job.replay, digest
            )
            transition = record(entry, fresh, outcome, owner=owner, token=new_token(), now=self.now())
            if transition is None:
                return StepResult(outcome, entry)
            standing = await self.transitions.submit(transition, can_wait=isinstance(outcome, Sent))
            if standing.token == transition.won:
                return StepResult(outcome, standing, recorded=True)
            if standing.ended or not claimed:
                return standing
            if not isinstance(outcome, Sent):
                return self._left(standing)
            entry = standing  # Meta accepted it: write that, although another session owns the send

    def _as_it_stands(self, step: StepResult, account: AccountData | None) -> StepResult:
        """A refused number holds nothing when its account has changed since: the next call has another token."""
        outcome = step.outcome
        if not isinstance(outcome, Defer) or outcome.hold is None or not outcome.hold.refused or outcome.hold.apart:
            return step
        if account is None or self.accounts.get(account.chatbot_id) == account:
            return step
        return replace(step, outcome=replace(outcome, hold=None), answered=False)

    def _left(self, entry: Entry) -> StepResult:
        log.warning("another session works on this send", extra={"journal_id": entry.id, "state": str(entry.state)})
        return StepResult(left_to_other(entry, self.now(), self.rules), entry, contested=True)

    async def _account(self, chatbot_id: str) -> AccountData | None:
        account = self.accounts.get(chatbot_id)
        if account is None and not await self.accounts.catch_up(_CATCH_UP_SECONDS):
            raise Unavailable("the accounts topic cannot be read up to its end", code="accounts_unavailable")
        return account or self.accounts.get(chatbot_id)

    def _accounts_away(self, error: AppError) -> Defer:
        log.warning("no account data, holding the number", extra={"error": error.message})
        return Defer(self.now(), MetaError(reason=error.error_code), _ACCOUNTS_AWAY)
