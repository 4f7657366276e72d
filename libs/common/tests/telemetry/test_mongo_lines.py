"""An outage of MongoDB in the log: a line a minute, and one when it is over."""

import logging
import uuid

import pytest
from captured_lines import captured
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect, OperationFailure, ServerSelectionTimeoutError

from common.errors import Unavailable
from common.mongo import or_unavailable
from common.mongo.client import Mongo, MongoSettings
from common.mongo.owned_session import OwnedSession
from common.mongo.transactions import transaction
from common.telemetry.logs import configure_logging
from common.telemetry.mongo_lines import MongoLines, is_lost
from common.telemetry.outages import KafkaLines, Outage

log = logging.getLogger("sender.test")


@pytest.fixture
def clock():
    return [1_000.0]


@pytest.fixture
def outage(clock, monkeypatch):
    fresh = Outage("MongoDB", now=lambda: clock[0])
    for module in ("compare_and_set", "client", "transactions"):
        monkeypatch.setattr(f"common.mongo.{module}.MONGODB", fresh)
    return fresh


@pytest.fixture
def lines(outage, clock):
    with captured(MongoLines(outage, now=lambda: clock[0])) as handler:
        yield handler


def try_once(error):
    """What a task does that uses MongoDB: it fails, says what follows, and will try again."""
    try:
        with or_unavailable():
            raise error
    except Unavailable as unavailable:
        log.warning("cannot read from MongoDB; trying again", extra={"error": unavailable.message})


def session_fails(error):
    """What a session does: the error ends it, and a stack trace is logged."""
    try:
        raise error
    except type(error):
        log.exception("a session failed", extra={"slot": "3"})


def caused(error, cause):
    """An error as `raise error from cause` makes it."""
    error.__cause__ = cause
    return error


def test_an_outage_is_one_line_a_minute_and_one_at_its_end(outage, lines, clock):
    for _ in range(2 * 30):
        try_once(ServerSelectionTimeoutError("mongo-1:27017: connection refused"))
        session_fails(AutoReconnect("mongo-1:27017: connection closed"))
        clock[0] += 2.5
    with or_unavailable():
        pass
    with or_unavailable():
        pass
    assert lines.said() == ["MongoDB is away"] * 3 + ["MongoDB answers again"]
    assert [record.left_out for record in lines.records[:3]] == [0, 71, 71]
    assert "connection refused" in lines.records[0].error
    assert lines.records[3].away_seconds == 150.0


def test_an_outage_that_a_session_notices_first_has_a_stack_trace_once(outage, lines):
    for _ in range(6):
        session_fails(AutoReconnect("closed"))
        try_once(AutoReconnect("closed"))
    assert lines.said() == ["a session failed"]
    assert lines.records[0].exc_info
    assert outage.away


@pytest.mark.parametrize(
    "error",
    [
        ExceptionGroup("tasks", [ValueError("else"), ExceptionGroup("more", [AutoReconnect("closed")])]),
        caused(RuntimeError("a batch was given back"), AutoReconnect("closed")),
        caused(Unavailable("no", code="mongo_unavailable"), ServerSelectionTimeoutError("refused")),
    ],
)
def test_an_error_behind_other_errors_counts(error, lines):
    session_fails(error)
    session_fails(error)
    assert lines.said() == ["a session failed"]


def test_an_operation_that_mongodb_refuses_is_no_outage_and_its_repetitions_are_limited(outage, lines, clock):
    for _ in range(5):
        try_once(OperationFailure("not authorized", 13))
    assert not outage.away
    assert lines.said() == ["MongoDB refused an operation", "cannot read from MongoDB; trying again"]
    clock[0] += 61
    try_once(OperationFailure("not authorized", 13))
    assert lines.records[-1].left_out == 4


def test_lines_about_other_things_pass_during_an_outage(lines):
    try_once(AutoReconnect("closed"))
    for _ in range(2):
        log.warning("a number is held", extra={"error": "130429"})
        session_fails(ValueError("a mistake"))
        log.info("read", extra={"error": "MongoDB is unavailable; try again"})
    assert len(lines.records) == 1 + 2 * 3


@pytest.mark.parametrize("error", [OperationFailure("no", 13), ConnectionError(), TimeoutError(), ValueError()])
def test_which_errors_are_no_lost_connection(error):
    assert is_lost(AutoReconnect("closed"))
    assert not is_lost(error)


@pytest.mark.parametrize(
    ("uri", "hosts"),
    [
        ("mongodb://a.test:27017,b.test/?replicaSet=rs0&appName=x@y", "a.test:27017,b.test"),
        ("mongodb://user:p%40ss%2Fw%3Ford@a.test:27017/db", "a.test:27017"),
        ("mongodb+srv://user:secret@cluster.test", "cluster.test"),
    ],
)
async def test_the_line_says_which_hosts_do_not_answer_without_the_password(uri, hosts, outage, monkeypatch):
    monkeypatch.setattr("common.mongo.client.AsyncMongoClient", lambda *_args, **_options: FakeClient())
    Mongo(MongoSettings(mongodb_uri=uri))
    assert outage.place == f"{hosts}: check that MongoDB runs, and MONGODB_URI"


class FakeClient:
    """In the place of the driver's client."""

    def get_database(self, *_args, **_options):
        return None


@pytest.mark.integration
async def test_a_client_that_reaches_mongodb_and_a_transaction_say_that_it_is_back(mongodb_uri, outage, lines):
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"lines_{uuid.uuid4().hex[:10]}"))

    async def work(session):
        await mongo.database["work"].insert_one({}, session=session)

    try:
        outage.failed(log, "away")
        assert await mongo.reachable()
        assert lines.said()[-1] == "MongoDB answers again"
        async with OwnedSession(mongo, "owner") as owned:
            outage.lost()
            await transaction(owned, work)
        assert not outage.away
    finally:
        await mongo.client.drop_database(mongo.database.name)
        await mongo.close()


async def test_a_probe_that_gets_no_answer_begins_an_outage(outage):
    mongo = Mongo(MongoSettings(mongodb_uri="mongodb://127.0.0.1:1"))
    mongo.client = AsyncMongoClient("mongodb://127.0.0.1:1", serverSelectionTimeoutMS=50)
    assert not await mongo.reachable()
    assert outage.away
    await mongo.close()


def test_the_log_of_a_service_is_limited(monkeypatch):
    made = []
    monkeypatch.setattr(logging, "basicConfig", lambda **given: made.extend(given["handlers"]))
    monkeypatch.setattr(logging.Logger, "setLevel", lambda *_: None)
    configure_logging("sender")
    assert [type(each) for each in made[0].filters] == [KafkaLines, MongoLines]
