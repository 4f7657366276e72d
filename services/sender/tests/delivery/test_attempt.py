"""One step of a send, with everything around it as a fake: what is asked, claimed, called and recorded, in which order."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest
from msgspec.structs import replace as changed
from pydantic import SecretStr

from common.contracts import ids
from common.contracts.accounts import ACTIVE, DEACTIVATED, AccountData
from common.contracts.journal import State
from common.contracts.messages import MetaError
from common.errors import NotFound, Unavailable
from common.http.clients.accounts import Credentials
from common.meta.client import Answered, NotSent, Unclear
from common.security.callbacks import Callbacks
from common.security.digests import DigestKeys
from sender.delivery.attempt import Delivery
from sender.delivery.core import CLAIM_FRESH_SECONDS, Rules
from sender.limits.circuit_breaker import CircuitBreaker, Signal
from sender.limits.numbers import unpaced
from sender.media.failures import NotReady, SourceUnavailable, Unusable, UploadRejected
from sender.outcomes import Dead, Defer, InDoubt, Retry, Sent
from sender.records.job import Position
from sender.records.parsing import read_record

TO = "+4915112345678"
CALLBACKS = Callbacks(DigestKeys({"fake": b"c" * 32}, "fake"))
NUMBER = "200000000000001"
ME, OTHER = "this session", "another session"
TEMPLATE = {"type": "template", "template": {"name": "news", "language": {"code": "en"}}}
LITE = {**TEMPLATE, "marketing_lite": True}
READ = {"type": "read", "message_id": "wamid.theirs"}
TAKEN = Answered(200, json.dumps({"messages": [{"id": "wamid.1"}], "contacts": [{"wa_id": "4915112345678"}]}).encode())
LOST = Unclear("reset")


def refusal(code, status=400):
    return Answered(status, json.dumps({"error": {"message": "no", "code": code}}).encode())


class World:
    """The collaborators of a step. `events` tells in order what was done; what is claimed or recorded as its state."""

    def __init__(self, *, breaker=None, **rules):
        self.events = []
        self.journal = {}
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        self.rows = {"b": AccountData(chatbot_id="b", phone_number_id=NUMBER, status=ACTIVE, revision=3)}
        self.reachable = True
        self.token = SecretStr("EAAfake-1")
        self.asked_for = []
        self.credentials_error = None
        self.calls = []
        self.answers = []
        self.during_move = lambda _move: None
        self.patient = []
        self.during_call = lambda: None
        self.closed = set()
        self.windows_asked = []
        self.prepare = lambda request: request
        self.forgets = False
        self.forgotten = []
        self.notes = []
        self.rejected, self.accepted = [], []
        self.marked = False
        self.flow = Delivery(
            accounts=SimpleNamespace(get=self.row, catch_up=self.catch_up),
            credentials=SimpleNamespace(get=self.credentials),
            graph=SimpleNamespace(send=self.send),
            media=SimpleNamespace(prepared=self.prepared, forget=self.forget),
            windows=SimpleNamespace(is_closed=self.is_closed, refused=self.refused),
            transitions=SimpleNamespace(submit=self.move),
            loads=SimpleNamespace(submit=self.load),
            rules=Rules(
                **{
                    "in_doubt_seconds": 30,
                    "in_doubt_resend": True,
                    "pause_seconds": 20,
                    "pause_cap_seconds": 300,
                    **rules,
                }
            ),
            breaker=breaker or self.breaker(),
            on_rejected=lambda *told: self.rejected.append(told),
            on_accepted=lambda *told: self.accepted.append(told),
            callbacks=CALLBACKS,
            now=lambda: self.now,
        )

    def breaker(self):
        self.outage = False

        def note(*told):
            self.notes.append(told)
            return self.outage

        return SimpleNamespace(note=note, was_open_since=lambda _moment: False, open=False)

    def row(self, chatbot):
        return self.rows.get(chatbot)

    async def catch_up(self, _seconds):
        self.events.append("catch up")
        return self.reachable

    async def credentials(self, chatbot, *, revision):
        self.asked_for.append((chatbot, revision))
        if self.credentials_error is not None:
            raise self.credentials_error
        return Credentials(NUMBER, self.token, revision, rejected=self.marked)

    async def send(self, number, token, body, *, edge):
        self.events.append("call")
        self.calls.append((number, token, json.loads(body), edge))
        self.during_call()
        return self.answers.pop(0) if self.answers else TAKEN

    async def prepared(self, request, number, token):
        self.events.append("prepare")
        assert (number, token) == (NUMBER, self.token.get_secret_value())
        made = self.prepare(request)
        if isinstance(made, Exception):
            raise made
        return made

    async def forget(self, number, request, _end):
        self.forgotten.append((number, request.kind))
        return self.forgets

    async def is_closed(self, number, to, now):
        self.windows_asked.append((number, to, now))
        return (number, to) in self.closed

    def refused(self, number, to, _now):
        self.closed.add((number, to))

    async def load(self, journal_id):
        self.events.append("look")
        return self.journal.get(journal_id)

    async def move(self, move, *, can_wait=False):
        """As the store does it: the change takes place if what it was based on still stands."""
        self.during_move(move)
        self.patient += [str(move.entry.state)] if can_wait else []
        standing = self.journal.get(move.entry.id)
        if (standing.token if standing else None) != move.expected:
            self.events.append(f"lost {move.entry.state}")
            return standing
        self.events.append(str(move.entry.state))
        self.journal[move.entry.id] = move.entry
        return move.entry

    @contextmanager
    def calling(self):
        self.events.append("begin")
        self.reservation = unpaced()
        yield self.reservation
        self.events.append("end")

    async def step(self, job=None, *, look=False, strikes=0, owner=ME, doubted=False):
        return await self.flow.step(
            job or a_job(), owner=owner, strikes=strikes, look=look, doubted=doubted, calling=self.calling
        )

    @property
    def entry(self):
        (entry,) = self.journal.values()
        return entry

    def take_over(self, **fields):
        """Another session has changed the entry."""
        self.journal[self.entry.id] = changed(
            self.entry, token=f"another's, after {self.entry.token}", **{"owner": OTHER, **fields}
        )


def a_job(headers=None, **fields):
    body = {"chatbotId": "b", "to": TO, "message": "hi", "messageId": "m1", **fields}
    return read_record(Position("whatsapp-cloud-send", 0, 1), json.dumps(body).encode(), headers or {}, retried=False)


@pytest.mark.parametrize(("answer", "accepted"), [(TAKEN, True), (refusal(130429), False), (LOST, False)])
async def test_the_rate_of_a_number_learns_whether_meta_accepted_the_message(answer, accepted):
    world = World()
    world.answers = [answer]
    await world.step()
    assert world.reservation.accepted is accepted


async def test_a_send_is_claimed_before_the_call_and_recorded_after_it():
    world = World()
    step = await world.step()
    assert world.events == ["prepare", "claimed", "begin", "call", "end", "accepted"]
    assert (step.outcome.wamid, step.recorded, step.answered) == ("wamid.1", True, True)
    (call,) = world.calls
    assert call[:2] == (NUMBER, "EAAfake-1")
    data = call[2]["biz_opaque_callback_data"]
    assert CALLBACKS.journal_id_of(data, NUMBER) == ids.journal_id("b", "m1")
    assert CALLBACKS.journal_id_of(data, "200000000000009") is None  # of another number it says nothing
    assert (world.entry.state, world.entry.attempt, world.entry.owner) == (State.ACCEPTED, 1, ME)
    assert (world.entry.phone_number_id, world.entry.wamid) == (NUMBER, "wamid.1")
    assert world.entry is step.entry


async def test_a_call_waits_for_its_claim_so_only_the_outcome_may_wait_for_other_writes():
    world = World()
    await world.step()
    assert world.patient == ["accepted"]


async def test_an_outcome_that_lets_its_conversation_wait_is_written_at_once():
    world = World()
    world.answers = [refusal(190, 401)]
    await world.step()
    assert world.patient == []


@pytest.mark.parametrize("changed", [False, True])
async def test_a_refusal_holds_the_number_unless_its_account_changed_before_it_was_written(changed):
    """The one who changes it has seen the refusal already, and expects the next call to have the new token."""
    world = World()
    world.answers = [refusal(190, 401)]

    def change(move):
        if changed and move.entry.state is State.DEFERRED:
            world.rows["b"] = msgspec.structs.replace(world.rows["b"], revision=4)

    world.during_move = change
    step = await world.step()
    assert isinstance(step.outcome, Defer)
    assert (step.outcome.hold is None, step.answered) == (changed, not changed)
    assert world.entry.state is State.DEFERRED


async def test_a_claim_says_what_it_is_for_before_the_answer_is_known():
    world = World()
    seen = []
    world.during_call = lambda: seen.append(world.entry)
    await world.step()
    (claim,) = seen
    assert (claim.state, claim.attempt, claim.owner, claim.phone_number_id) == (State.CLAIMED, 1, ME, NUMBER)
    assert (claim.chatbot_id, claim.message_id, claim.to, claim.at) == ("b", "m1", TO, world.now)


async def test_the_journal_is_looked_at_only_when_told_to():
    world = World()
    await world.step(look=True)
    assert world.events[0] == "look"
    again = await world.step(look=True)
    assert (again.outcome.wamid, again.recorded, again.answered) == ("wamid.1", False, False)
    assert len(world.calls) == 1


async def test_a_first_record_of_a_send_that_the_journal_knows_is_not_called_again():
    world = World()
    await world.step()
    again = await world.step()
    assert isinstance(again.outcome, Sent)
    assert len(world.calls) == 1


async def test_what_another_session_has_claimed_is_in_doubt_and_not_called():
    world = World()
    world.during_call = world.take_over
    world.answers = [refusal(131000, 500)]
    await world.step()
    world.events.clear()
    step = await world.step(owner="a third")
    assert isinstance(step.outcome, InDoubt)
    assert "call" not in world.events
    assert step.outcome.until == world.now + timedelta(seconds=30)


@pytest.mark.parametrize(
    "answer", [refusal(131000, 500), refusal(131026), refusal(130429), LOST, NotSent("refused")],
    ids=["a failure", "a refusal", "a throttle", "no answer", "no connection"],
)  # fmt: skip
@pytest.mark.parametrize("state", [State.CLAIMED, State.IN_DOUBT])
async def test_a_send_that_another_session_took_over_during_the_call_is_left_to_it_alone(answer, state):
    world = World()
    due = world.now + timedelta(seconds=40) if state is State.IN_DOUBT else None
    world.during_call = lambda: world.take_over(state=state, due=due)
    world.answers = [answer]
    step = await world.step()
    assert (type(step.outcome), step.contested, step.recorded) == (Defer, True, False)
    assert step.outcome.hold is None  # its number goes on
    assert step.outcome.until == world.now + timedelta(seconds=41 if due else 31)
    assert world.entry.owner == OTHER
    assert world.entry.token.startswith("another's")


@pytest.mark.parametrize("state", [State.CLAIMED, State.IN_DOUBT])
async def test_a_doubt_that_another_session_took_over_is_left_to_it_until_its_window_is_over(state):
    world = World()
    world.answers = [LOST]
    assert isinstance((await world.step()).outcome, InDoubt)
    world.take_over(state=state, due=world.now + timedelta(seconds=50) if state is State.IN_DOUBT else None)
    step = await world.step(look=True, doubted=True)
    assert (type(step.outcome), step.contested, world.entry.owner) == (Defer, True, OTHER)
    world.now = step.outcome.until
    again = await world.step(look=True)
    assert (type(again.outcome), again.contested, world.entry.owner) == (InDoubt, False, ME)  # the other has gone


@pytest.mark.parametrize("resend", [True, False])
async def test_two_sessions_at_one_send_do_not_keep_each_other_in_doubt_for_ever(resend):
    world = World(in_doubt_resend=resend)
    world.answers = [LOST]
    sessions = {ME: await world.step(), OTHER: await world.step(owner=OTHER)}
    for _ in range(12):
        owner = min(sessions, key=lambda name: sessions[name].outcome.until)
        world.now = max(world.now, sessions[owner].outcome.until)
        doubted = isinstance(sessions[owner].outcome, InDoubt)
        sessions[owner] = await world.step(look=True, owner=owner, doubted=doubted)
        if world.entry.ended:
            break
    assert world.entry.state is (State.ACCEPTED if resend else State.FAILED)
    assert len(world.calls) == (2 if resend else 1)


async def test_that_meta_has_a_message_is_recorded_by_any_owner():
    world = World()
    world.during_call = lambda: world.take_over(state=State.IN_DOUBT, due=world.now)
    step = await world.step()
    assert (world.entry.state, world.entry.wamid) == (State.ACCEPTED, "wamid.1")
    assert step.recorded


async def test_what_another_session_changes_while_we_look_is_decided_upon_again():
    world = World()
    world.answers = [refusal(131000, 500)]
    world.during_call = world.take_over
    await world.step()
    world.during_call = lambda: None

    def the_other_goes_on(move):
        if move.entry.state is State.IN_DOUBT:
            world.take_over(state=State.RETRYING, due=world.now)

    world.during_move = the_other_goes_on
    step = await world.step(look=True, owner="a third")
    assert (type(step.outcome), step.entry.attempt) == (Sent, 2)


@pytest.mark.parametrize("late", [0.001, 60.0])
async def test_a_claim_that_took_too_long_is_given_back_unused(monkeypatch, late):
    world, clock = World(), clock_of(monkeypatch)
    world.during_move = lambda move: clock(CLAIM_FRESH_SECONDS + late) if move.entry.state is State.CLAIMED else None
    step = await world.step()
    assert world.events == ["prepare", "claimed", "deferred"]
    assert (step.outcome.until, world.entry.attempt) == (world.now, 0)
    assert (await world.step(look=True)).entry.attempt == 0  # and again, until it is quick
    world.during_move = lambda _move: None
    assert (await world.step(look=True)).entry.attempt == 1
    assert len(world.calls) == 1


async def test_a_claim_that_is_just_fresh_is_used(monkeypatch):
    world, clock = World(), clock_of(monkeypatch)
    world.during_move = lambda move: clock(CLAIM_FRESH_SECONDS - 0.001) if move.entry.state is State.CLAIMED else None
    assert isinstance((await world.step()).outcome, Sent)


def clock_of(monkeypatch):
    """A clock of the flow's own, which a test moves on by seconds."""
    at = [1_000_000_000]

    def move(seconds):
        at[0] += int(seconds * 1e9)

    monkeypatch.setattr(
        "sender.delivery.attempt.time", SimpleNamespace(time_ns=lambda: at[0], monotonic=lambda: 0.0, time=lambda: 0.0)
    )
    return move


async def test_what_has_expired_is_neither_claimed_nor_called():
    world = World()
    step = await world.step(a_job(expiresAt=world.now.isoformat()))
    assert (step.outcome.state, step.recorded, world.calls) == (State.EXPIRED, True, [])
    assert world.events == ["expired"]


async def test_what_expires_while_it_is_being_claimed_is_not_called():
    world = World()
    job = a_job(expiresAt=(world.now + timedelta(seconds=1)).isoformat())

    def takes_a_second(move):
        if move.entry.state is State.CLAIMED:
            world.now += timedelta(seconds=1)

    world.during_move = takes_a_second
    step = await world.step(job)
    assert world.events == ["prepare", "claimed", "expired"]
    assert (step.outcome.state, step.recorded) == (State.EXPIRED, True)


async def test_what_expires_while_it_is_in_doubt_is_not_sent_again():
    world = World()
    job = a_job(expiresAt=(world.now + timedelta(seconds=10)).isoformat())
    world.answers = [LOST]
    await world.step(job)
    world.now += timedelta(seconds=31)
    step = await world.step(job, look=True)
    assert (step.outcome.error.reason, step.outcome.letter) == ("in_doubt_unresolved", True)
    assert len(world.calls) == 1


async def test_each_attempt_asks_for_the_token_of_the_accounts_present_revision():
    world = World()
    world.answers = [refusal(131000, 500)]
    await world.step()
    world.token = SecretStr("EAAfake-2")
    world.rows["b"] = changed(world.rows["b"], revision=4)
    world.now += timedelta(seconds=10)
    await world.step(look=True)
    assert world.asked_for == [("b", 3), ("b", 4)]
    assert [token for _, token, _, _ in world.calls] == ["EAAfake-1", "EAAfake-2"]


@pytest.mark.parametrize(
    "error", [Unavailable("away", code="accounts_unavailable"), NotFound("gone", code="unknown_account")]
)
async def test_without_a_token_the_number_waits_and_nothing_is_claimed(error):
    world = World()
    world.credentials_error = error
    step = await world.step()
    assert isinstance(step.outcome, Defer)
    assert (step.outcome.hold.base, step.outcome.hold.refused, step.outcome.error.reason) == (
        1.0,
        False,
        error.error_code,
    )
    assert (world.journal, world.calls) == ({}, [])


async def test_while_the_accounts_cannot_be_read_no_send_is_said_to_have_none():
    world = World()
    world.rows, world.reachable = {}, False
    step = await world.step()
    assert isinstance(step.outcome, Defer)
    assert step.outcome.hold is not None
    assert world.journal == {}


async def test_an_account_is_missing_only_when_the_topic_was_read_to_its_end():
    world = World()
    world.rows = {}
    step = await world.step()
    assert world.events == ["catch up", "failed"]
    assert (step.outcome.error.reason, step.outcome.letter, world.entry.letter) == ("unknown_account", True, True)


async def test_an_account_that_came_meanwhile_is_used():
    world = World()
    later, world.rows = world.rows, {}

    async def catch_up(_seconds):
        world.rows = later
        return True

    world.flow.accounts.catch_up = catch_up
    assert isinstance((await world.step()).outcome, Sent)


async def test_a_deactivated_account_sends_nothing():
    world = World()
    world.rows["b"] = changed(world.rows["b"], status=DEACTIVATED)
    step = await world.step()
    assert (step.outcome.error.reason, world.calls) == ("account_deactivated", [])


async def test_outside_its_window_a_message_is_neither_claimed_nor_called():
    world = World()
    world.closed = {(NUMBER, TO)}
    step = await world.step()
    assert (step.outcome.error.reason, step.recorded) == ("window_closed", True)
    assert (world.events, world.windows_asked) == (["failed"], [(NUMBER, TO, world.now)])


@pytest.mark.parametrize(("code", "again"), [(131047, "window_closed"), (131026, None)])
async def test_after_meta_has_said_that_the_window_is_closed_it_is_not_called_again(code, again):
    world = World()
    world.answers = [refusal(code)]
    assert (await world.step()).outcome.error.code == code
    step = await world.step(a_job(messageId="m2"))
    assert (step.outcome.error.reason if again else None) == again
    assert len(world.calls) == (1 if again else 2)


@pytest.mark.parametrize("message", [TEMPLATE, READ], ids=["template", "read mark"])
async def test_what_needs_no_window_does_not_ask_for_one(message):
    world = World()
    world.closed = {(NUMBER, TO)}
    world.answers = [Answered(200, b'{"success": true}')] if message is READ else []
    assert isinstance((await world.step(a_job(message=message))).outcome, Sent)
    assert world.windows_asked == []


@pytest.mark.parametrize(
    ("message", "edge"), [(TEMPLATE, "messages"), (LITE, "marketing_messages"), ("hi", "messages")]
)
async def test_each_message_goes_where_its_kind_belongs(message, edge):
    world = World()
    await world.step(a_job(message=message))
    assert [call[3] for call in world.calls] == [edge]


async def test_a_file_that_is_not_there_yet_is_waited_for_and_costs_no_claim():
    world = World()
    world.prepare = lambda _request: NotReady(MetaError(reason="media_upload_pending"))
    step = await world.step(strikes=2)
    assert (step.outcome.until, step.recorded) == (world.now + timedelta(seconds=4), False)
    assert (world.events, world.journal) == (["prepare"], {})


@pytest.mark.parametrize(
    ("failure", "state"), [(Unusable, State.FAILED), (SourceUnavailable, State.RETRYING)], ids=["unusable", "away"]
)
async def test_a_file_that_cannot_be_had_is_an_attempt_without_a_call(failure, state):
    world = World()
    world.prepare = lambda _request: failure(MetaError(reason="media_link_refused"))
    step = await world.step()
    assert world.events == ["prepare", "claimed", str(state)]
    assert (step.answered, world.entry.attempt, world.notes) == (False, 1, [])


async def test_a_file_that_meta_did_not_take_ends_as_a_call_that_did():
    world = World()
    world.prepare = lambda _request: UploadRejected(refusal(190, 401))
    step = await world.step()
    assert (world.calls, step.answered) == ([], True)
    assert step.outcome.hold.rejected
    assert [code for _, _, code in world.rejected] == [190]
    assert len(world.notes) == 1


async def test_a_lost_answer_to_an_upload_is_no_doubt():
    world = World()
    world.prepare = lambda _request: UploadRejected(LOST)
    assert isinstance((await world.step()).outcome, Retry)


@pytest.mark.parametrize("made", [True, False])
async def test_only_a_message_with_uploaded_links_gets_another_try_when_meta_has_lost_them(made):
    world = World()
    world.forgets = True
    world.prepare = lambda request: request.model_copy() if made else request
    world.answers = [refusal(100)]
    step = await world.step()
    assert isinstance(step.outcome, Retry if made else Dead)
    assert world.forgotten == ([(NUMBER, "text")] if made else [])


async def test_what_was_prepared_is_what_is_sent():
    world = World()
    world.prepare = lambda request: request.model_copy(update={"message": "prepared"})
    await world.step()
    assert world.calls[0][2]["text"]["body"] == "prepared"


async def test_the_breaker_is_told_of_every_call():
    world = World()
    world.answers = [LOST]
    await world.step(a_job(messageId="m1"))
    world.answers = [refusal(131016, 500)]
    await world.step(a_job(messageId="m2"))
    await world.step(a_job(messageId="m3"))
    assert [note[:3] for note in world.notes] == [
        (ids.journal_id("b", "m1"), "b", Signal.AWAY),
        (ids.journal_id("b", "m2"), "b", Signal.DOWN),
        (ids.journal_id("b", "m3"), "b", Signal.UP),
    ]


async def test_an_outage_spends_no_attempts_however_long_it_lasts():
    world = World(breaker=CircuitBreaker())
    jobs = [a_job(messageId=f"m{n}", to=f"+491510000000{n}") for n in range(3)]
    world.answers = [refusal(131016, 500)] * 60
    outcomes = {job.journal_id: [] for job in jobs}
    for _ in range(20):
        for job in jobs:
            step = await world.step(job, look=True)
            outcomes[job.journal_id].append(type(step.outcome))
        world.now += timedelta(seconds=60)
    assert len(world.calls) == 60
    # Two calls count, because it takes three to see an outage; after that none does.
    assert sum(kinds.count(Retry) for kinds in outcomes.values()) == 2
    assert max(entry.attempt for entry in world.journal.values()) == 1
    world.answers = []
    for job in jobs:
        step = await world.step(job, look=True)
        assert isinstance(step.outcome, Sent)
        assert step.entry.attempt <= 2


async def test_without_an_outage_the_same_failures_end_as_a_dead_letter():
    world = World()
    world.answers = [refusal(131016, 500)] * 9
    for _ in range(4):
        step = await world.step(look=True)
        world.now += timedelta(seconds=60)
    assert (step.outcome.letter, step.entry.attempt, len(world.calls)) == (True, 4, 4)


async def test_a_failure_in_an_outage_holds_the_number_and_counts_nothing():
    world = World()
    world.outage = True
    world.answers = [refusal(131016, 500)]
    step = await world.step()
    assert (type(step.outcome), step.entry.state, step.entry.attempt) == (Defer, State.DEFERRED, 0)
    assert step.outcome.hold is not None


async def test_a_refused_token_is_reported_with_what_was_refused():
    world = World()
    world.answers = [refusal(190, 401)]
    step = await world.step()
    ((bot, credentials, code),) = world.rejected
    assert (bot, credentials.token.get_secret_value(), credentials.revision, code) == ("b", "EAAfake-1", 3, 190)
    assert (step.outcome.hold.base, step.outcome.hold.cap, step.outcome.hold.refused) == (20, 300, True)


@pytest.mark.parametrize("answer", [TAKEN, refusal(130429), refusal(131026), refusal(131031)])
async def test_what_does_not_speak_of_the_token_is_not_reported(answer):
    world = World()
    world.answers = [answer]
    await world.step()
    assert world.rejected == []


@pytest.mark.parametrize(
    ("marked", "answer", "told"),
    [(True, TAKEN, True), (False, TAKEN, False), (True, refusal(190, 401), False), (True, refusal(131026), False)],
)
async def test_a_marked_token_that_meta_takes_is_reported(marked, answer, told):
    world = World()
    world.marked, world.answers = marked, [answer]
    await world.step()
    assert [(bot, credentials.revision) for bot, credentials in world.accepted] == [("b", 3)] * told


async def test_a_lost_answer_is_a_doubt_for_the_configured_time_and_is_then_sent_again():
    world = World(in_doubt_seconds=40)
    world.answers = [LOST]
    step = await world.step()
    assert (step.outcome.until, step.answered, step.recorded) == (world.now + timedelta(seconds=40), False, True)
    world.now += timedelta(seconds=39)
    assert isinstance((await world.step(look=True)).outcome, InDoubt)
    world.now += timedelta(seconds=1)
    again = await world.step(look=True)
    assert (type(again.outcome), again.entry.attempt, len(world.calls)) == (Sent, 2, 2)


async def test_the_policy_may_be_that_a_doubt_ends_as_a_dead_letter():
    world = World(in_doubt_resend=False)
    world.answers = [LOST]
    await world.step()
    world.now += timedelta(seconds=30)
    step = await world.step(look=True)
    assert (step.outcome.letter, len(world.calls)) == (True, 1)


async def test_a_read_mark_is_never_in_doubt():
    world = World()
    world.answers = [LOST]
    assert isinstance((await world.step(a_job(message=READ))).outcome, Retry)


@pytest.mark.parametrize("strikes", [0, 3])
async def test_a_conversation_that_was_deferred_waits_longer_each_time(strikes):
    world = World()
    world.answers = [NotSent("refused")]
    step = await world.step(strikes=strikes)
    assert step.outcome.until == world.now + timedelta(seconds=2**strikes)


async def dead(world):
    """A send that has ended as a dead letter, and the job of its first replay."""
    rows, world.rows = world.rows, {}
    assert (await world.step()).entry.letter
    world.rows = rows
    world.events.clear()
    return a_job({"replay": "1"})


async def test_a_replay_sends_a_dead_letter_with_all_of_its_attempts():
    world = World()
    step = await world.step(await dead(world), look=True)
    assert world.events == ["look", "retrying", "prepare", "claimed", "begin", "call", "end", "accepted"]
    assert (step.entry.attempt, step.entry.replays, step.entry.letter) == (1, 1, False)


async def test_a_replay_of_what_a_late_status_says_meta_has_is_not_sent():
    world = World()
    replay = await dead(world)
    world.journal[world.entry.id] = changed(world.entry, wamid="wamid.late", token="settled")
    step = await world.step(replay, look=True)
    assert (type(step.outcome), world.calls) == (Dead, [])
    assert world.entry.wamid == "wamid.late"


async def test_a_replay_heeds_a_status_that_comes_while_it_begins():
    world = World()
    replay = await dead(world)

    def status_comes(move):
        if move.entry.state is State.RETRYING:
            world.journal[world.entry.id] = changed(world.entry, wamid="wamid.late", token="settled")

    world.during_move = status_comes
    step = await world.step(replay, look=True)
    assert (type(step.outcome), world.calls) == (Dead, [])
    assert (world.entry.state, world.entry.wamid) == (State.FAILED, "wamid.late")


async def test_a_status_that_comes_during_a_call_that_fails_wins():
    world = World()

    def status_comes():
        world.journal[world.entry.id] = changed(world.entry, state=State.ACCEPTED, wamid="wamid.told", token="settled")

    world.during_call = status_comes
    world.answers = [LOST]
    step = await world.step()
    assert (step.outcome.wamid, step.recorded) == ("wamid.told", False)
    assert world.entry.state is State.ACCEPTED


async def test_an_invalid_request_ends_as_a_dead_letter_and_asks_for_no_token():
    world = World()
    step = await world.step(a_job(to="x"))
    assert (step.outcome.letter, world.asked_for, world.calls) == (True, [], [])
    assert world.entry.phone_number_id == NUMBER
