"""`wa journal restore`: a journal from a backup learns what has been sent since, and nothing is sent twice."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from common.contracts import sends, topics
from common.contracts.contacts import Contact
from common.contracts.envelope import encode
from common.contracts.ids import derive_id, journal_id
from common.contracts.journal import State
from common.contracts.messages import MetaError
from common.kafka.clients import make_producer
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings
from common.mongo import Mongo, MongoSettings
from sender.delivery.transitions import claim, new_entry
from sender.journal.store import JournalStore
from wa.__main__ import main

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(microsecond=0)
NUMBER = "106540352242922"


def result(kind, chatbot, name, at=NOW, **fields):
    data = {"to": "+491510000001", "attempts": 1, "phone_number_id": NUMBER, **fields}
    event = sends.SendResult(
        id=derive_id(kind, chatbot, name), type=kind, version=1, occurred_at=at, recorded_at=at, correlation_id="c",
        data=sends.SendResultData(
            journal_id=journal_id(chatbot, name), chatbot_id=chatbot, message_id=name, at=at,
            request={"message": "Hello"}, **data,
        ),
    )  # fmt: skip
    return Outgoing(topics.SEND_RESULTS.name, f"{NUMBER}:{name}", encode(event), [])


@pytest.fixture
def chatbot():
    return f"bot-{uuid.uuid4().hex[:10]}"


@pytest.fixture
async def publish(kafka_bootstrap):
    producer = make_producer(KafkaSettings(kafka_bootstrap_servers=kafka_bootstrap))
    await producer.start()

    async def each(*records):
        for record in records:  # one after another: of one send, the order counts
            await producer.send_and_wait(record.topic, record.value, key=record.key.encode())

    yield each
    await producer.stop()


@pytest.fixture
async def journal(mongodb_uri, monkeypatch):
    name = f"journal_{uuid.uuid4().hex[:10]}"
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", name)
    mongo = Mongo(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=name))
    yield JournalStore(mongo.database, retention=timedelta(days=30))
    await mongo.client.drop_database(name)
    await mongo.close()


@pytest.fixture
def restore(kafka_bootstrap, capsys):
    async def run(*arguments):
        given = ["journal", "restore", "--since", "1h", "--bootstrap", kafka_bootstrap, *arguments]
        return await asyncio.to_thread(main, given), capsys.readouterr().out

    return run


@pytest.mark.feature("restore of the journal")
async def test_what_has_been_sent_since_the_backup_is_known_again(journal, publish, restore, chatbot):
    ada = Contact(user_id="DE.1", wa_id="491510000001")
    failed = MetaError(code=131026, title="Undeliverable")
    await publish(
        result(sends.IN_DOUBT, chatbot, "doubted", error=MetaError(reason="timeout")),
        result(sends.ACCEPTED, chatbot, "doubted", NOW + timedelta(seconds=5), wamid="wamid.D", contact=ada),
        result(sends.ACCEPTED, chatbot, "claimed", NOW + timedelta(seconds=5), wamid="wamid.C"),
        result(sends.FAILED, chatbot, "failed", error=failed),
        result(sends.CANCELLED, chatbot, "cancelled"),
        result(sends.IN_DOUBT, chatbot, "open", error=MetaError(reason="timeout")),
    )
    fresh = new_entry(journal_id(chatbot, "claimed"), chatbot, "claimed", "+491510000001", NOW, NUMBER)
    await journal.write([claim(None, fresh, 1, phone_number_id=NUMBER, owner="me", token="t", now=NOW)])
    names = ("doubted", "claimed", "failed", "cancelled", "open")
    code, _ = await restore("--dry-run")
    assert (code, (await journal.load([journal_id(chatbot, "doubted")]))) == (0, [None])
    assert (await restore())[0] == 0
    entries = dict(zip(names, await journal.load([journal_id(chatbot, name) for name in names]), strict=True))
    assert {name: entry.state for name, entry in entries.items()} == {
        "doubted": State.ACCEPTED,
        "claimed": State.ACCEPTED,
        "failed": State.FAILED,
        "cancelled": State.CANCELLED,
        "open": State.IN_DOUBT,
    }
    assert (entries["doubted"].wamid, entries["doubted"].contact, entries["doubted"].error) == ("wamid.D", ada, None)
    assert entries["failed"].error == failed
    # A producer that requests it again finds its end: a claim loses.
    again = new_entry(journal_id(chatbot, "doubted"), chatbot, "doubted", "+491510000001", NOW, NUMBER)
    wish = claim(None, again, 1, phone_number_id=NUMBER, owner="me", token="mine", now=NOW)
    (standing,) = await journal.write([wish])
    assert (standing.state, standing.token != wish.won) == (State.ACCEPTED, True)


@pytest.mark.parametrize("later", [timedelta(minutes=-1), timedelta(minutes=1)], ids=["older", "a clock ahead"])
async def test_it_may_be_run_again_and_leaves_what_the_journal_knows_better(journal, publish, restore, chatbot, later):
    await publish(result(sends.ACCEPTED, chatbot, "m", wamid="wamid.1"))
    await restore()
    (before,) = await journal.load([journal_id(chatbot, "m")])
    await publish(result(sends.IN_DOUBT, chatbot, "m", NOW + later))
    code, said = await restore()
    assert (code, await journal.load([before.id])) == (0, [before])
    assert ", 0 entered into the journal" in said
