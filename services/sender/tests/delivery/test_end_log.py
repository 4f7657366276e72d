"""What callers and operators see of sends: how each stands from the moment it was accepted, and a line for its end."""

import itertools
import json
import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest

from common.contracts import ids
from common.contracts.journal import State
from common.contracts.messages import MetaError
from common.kafka.consume.unfinished import Search, Unfinished
from sender.delivery.end_log import MAX_IN_ALL, MAX_OF_CHATBOT, SPAN_SECONDS, Allowance, EndLog
from sender.delivery.transitions import new_entry
from sender.journal.standing import Standings
from sender.outcomes import Dead, Defer, Sent, StepResult

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
BOT, MESSAGE = "bot", "m/1"
JOURNAL_ID = ids.journal_id(BOT, MESSAGE)


def entry(state, **more):
    made = new_entry(JOURNAL_ID, BOT, MESSAGE, "+491510000001", NOW)
    return msgspec.structs.replace(made, state=state, **more)


class Places:
    """The places where a send can be; at each question it may have gone on to the next, as `path` says."""

    def __init__(self, *path, wait=(4e9, None)):
        self.path = list(path)
        self.wait = wait

    def at(self, place):
        here = self.path.pop(0) if len(self.path) > 1 else self.path[0]
        return here == place

    async def load(self, _journal_id):
        return entry(State.ACCEPTED, wamid="w") if self.at("journal") else None

    async def scheduled(self, _journal_id):
        return 4e9 if self.at("scheduled") else None

    async def parked(self, _journal_id):
        return self.wait if self.at("parked") else None

    async def unfinished(self, *_named):
        return Unfinished(NOW) if self.at("kafka") else None

    async def seen(self):
        looks = Standings(self.load, self.scheduled, self.parked, self.unfinished, lambda: NOW)
        return await looks.of(BOT, MESSAGE)


@pytest.mark.parametrize(
    ("place", "state", "reason"),
    [
        ("kafka", "queued", "not_taken_up"),
        ("scheduled", "queued", "scheduled"),
        ("parked", "queued", "behind_others"),
        ("journal", "accepted", None),
    ],
)
async def test_a_send_is_found_wherever_it_waits(place, state, reason):
    found = await Places(place).seen()
    assert (found["state"], found.get("reason")) == (state, reason)
    assert ("due" in found) == (state == "queued")


@pytest.mark.parametrize(
    ("wait", "reason", "due"),
    [
        ((NOW.timestamp() + 30, "token_rejected"), "token_rejected", NOW + timedelta(seconds=30)),
        ((0.0, None), "behind_others", NOW),  # as earlier versions have parked it
    ],
)
async def test_a_parked_send_says_what_it_waits_for_and_no_time_that_is_over(wait, reason, due):
    found = await Places("parked", wait=wait).seen()
    assert (found["reason"], found["due"]) == (reason, due.isoformat())


async def test_a_send_that_was_refused_with_its_number_is_due_when_the_number_is():
    places, until = Places("parked", wait=(NOW.timestamp() + 30, "token_rejected")), NOW + timedelta(seconds=30)
    for due, shown in ((NOW - timedelta(seconds=1), until), (NOW + timedelta(hours=1), NOW + timedelta(hours=1))):
        deferred = entry(State.DEFERRED, due=due, error=MetaError(code=190, reason="token_rejected"))

        async def load(_id, found=deferred):
            return found

        places.load = load
        assert (await places.seen())["due"] == shown.isoformat()


async def test_what_is_nowhere_was_not_accepted():
    assert await Places("nowhere").seen() is None


ROUTES = (["kafka", "scheduled", "kafka", "parked", "journal"], ["kafka", "parked", "journal"], ["kafka", "journal"])


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_a_send_that_moves_while_it_is_looked_for_is_found(route):
    """Whenever it moves on: every way to spread its moves over the questions of three looks."""
    questions = 15
    for moves in itertools.combinations(range(1, questions), len(route) - 1):
        path = [route[sum(move <= n for move in moves)] for n in range(questions)]
        assert await Places(*path).seen() is not None, path


@pytest.mark.parametrize(("state", "due"), [(State.DEFERRED, None), (State.RETRYING, NOW)])
async def test_a_send_that_waits_for_its_next_attempt_is_queued_with_the_reason(state, due):
    places = Places("journal")
    places.load = lambda _id: found()

    async def found():
        return entry(state, due=due, error=MetaError(code=131056, reason="pair_rate_limit"))

    seen = await places.seen()
    assert (seen["state"], seen["reason"], seen["due"]) == ("queued", "pair_rate_limit", NOW.isoformat())


def record(value=b"", headers=()):
    return SimpleNamespace(value=value, headers=headers, timestamp=NOW.timestamp() * 1000)


def request(**fields):
    return json.dumps({"chatbotId": BOT, "to": "+491510000001", "message": "x", **fields}).encode()


@pytest.mark.parametrize(
    ("found", "is_it"),
    [
        (record(request(messageId=MESSAGE)), True),
        (record(b"", [("event-id", JOURNAL_ID.encode())]), True),
        (record(request(), [("message-id", MESSAGE.encode())]), True),
        (record(request(messageId="m/2"), [("message-id", MESSAGE.encode())]), False),
        (record(request(messageId=MESSAGE, chatbotId="other")), False),
        (record(request(messageId=[MESSAGE])), False),
        (record(request()), False),
        (record(None), False),
        (record(b"["), False),
        (record(b"[" * 100_000), False),
        (record(b"\xff", [("event-id", None)]), False),
    ],
)
def test_a_record_on_kafka_is_known_by_whom_it_names(found, is_it):
    assert Search(BOT, MESSAGE).among([record(b"{}"), found]) == (Unfinished(NOW) if is_it else None)


def test_what_was_asked_for_before_it_in_its_conversation_is_found_with_it():
    search = Search(BOT, MESSAGE)
    read_mark = {"type": "read", "message_id": "wamid.x"}
    earlier = [
        record(request(), [("message-id", b"waits for a retry")]),
        record(request(messageId="1", to="+49 151 0000001")),
        record(request(messageId="of another person", to="+491510000002")),
        record(request(messageId="of another chatbot", chatbotId="other")),
        record(request(messageId="no message", message=read_mark)),
        record(request(messageId="odd", to=[1])),
    ]
    assert search.among(earlier) is None
    found = search.among([record(request(messageId=MESSAGE)), record(request(messageId="later"))])
    assert found.before == tuple(ids.journal_id(BOT, name) for name in ("waits for a retry", "1"))


def test_a_long_conversation_is_remembered_by_its_latest_messages():
    search = Search(BOT, MESSAGE)
    search.among([record(request(messageId=str(n))) for n in range(10_000)])
    before = search.among([record(request(messageId=MESSAGE))]).before
    assert (len(before), before[-1]) == (100, ids.journal_id(BOT, "9999"))


@pytest.mark.parametrize(
    ("earlier", "reason"),
    [
        ([State.IN_DOUBT], "behind_others"),
        ([State.ACCEPTED, State.DEFERRED], "behind_others"),
        ([None], "behind_others"),
        ([State.ACCEPTED, State.FAILED], "not_taken_up"),
        ([], "not_taken_up"),
    ],
)
async def test_a_send_behind_an_earlier_one_of_its_conversation_says_so(earlier, reason):
    places = Places("kafka")
    known = {str(n): entry(state) if state else None for n, state in enumerate(earlier)}

    async def unfinished(*_named):
        return Unfinished(NOW, tuple(known))

    async def load(journal_id):
        return known.get(journal_id)

    places.unfinished, places.load = unfinished, load
    assert (await places.seen())["reason"] == reason


def job(chatbot=BOT):
    return SimpleNamespace(
        journal_id=JOURNAL_ID,
        chatbot_id=chatbot,
        message_id=MESSAGE,
        to="+491510000001",
        body={"message": "my secret words"},
        trace=SimpleNamespace(correlation_id="order-7"),
    )


def dead(state=State.FAILED, *, recorded=True, error=None):
    error = error or MetaError(code=131026, reason="undeliverable", details="+491510000001 is not on WhatsApp")
    return StepResult(Dead(error, state=state), entry(state, attempt=1), recorded=recorded)


def lines(caplog):
    return [found for found in caplog.records if found.name == "sender.delivery.end_log"]


@pytest.mark.parametrize("state", [State.FAILED, State.EXPIRED])
async def test_each_send_that_ends_without_success_has_one_line_of_ids_and_reasons(caplog, state):
    caplog.set_level(logging.INFO)
    EndLog().note(job(), dead(state))
    (line,) = lines(caplog)
    assert (line.levelname, line.state, line.code, line.reason) == ("INFO", state, 131026, "undeliverable")
    assert (line.message_id, line.journal_id, line.chatbot_id) == (MESSAGE, JOURNAL_ID, BOT)
    assert "4915" not in str(line.__dict__)
    assert "secret" not in str(line.__dict__)


async def test_what_has_been_told_or_is_no_failure_has_no_line(caplog):
    caplog.set_level(logging.INFO)
    endings = EndLog()
    for step in (
        dead(recorded=False),
        dead(State.CANCELLED),
        StepResult(Sent("w"), entry(State.ACCEPTED), recorded=True),
        StepResult(Defer(NOW), entry(State.DEFERRED), recorded=True),
    ):
        endings.note(job(), step)
    assert lines(caplog) == []


async def test_a_campaign_that_fails_is_told_in_few_lines_with_the_count_of_the_others(caplog):
    caplog.set_level(logging.INFO)
    endings = EndLog()
    for _ in range(5_000):
        endings.note(job(), dead())
    endings.note(job("another"), dead())
    await endings.close()
    told = lines(caplog)
    assert len(told) == MAX_OF_CHATBOT + 2
    assert [line.chatbot_id for line in told[:-1]].count("another") == 1
    assert told[-1].count == 5_000 - MAX_OF_CHATBOT


def test_lines_are_allowed_anew_in_the_next_span_and_bounded_in_all():
    allowance = Allowance()
    assert sum(allowance.take(f"bot-{n}", 10.0) for n in range(3 * MAX_IN_ALL)) == MAX_IN_ALL
    assert allowance.take_suppressed() == 2 * MAX_IN_ALL
    assert allowance.take_suppressed() == 0
    assert not allowance.take("x", 9.9 + SPAN_SECONDS)
    assert allowance.take("x", 10.0 + SPAN_SECONDS)
