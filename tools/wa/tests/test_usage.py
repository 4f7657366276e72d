"""`wa usage rebuild`: the counters are what the log has, also while entries are added."""

import asyncio
import uuid
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from conversation_builders import BOT, read, result

from common.contracts.stored.usage import ALWAYS, COUNTED, KEYS, counters_of, whole_from
from common.mongo import Mongo, MongoSettings, OwnedSession, schema
from conversation.batch.core import keys_of, plan
from conversation.read_api.documents import Documents
from conversation.store import ConversationStore
from wa.__main__ import main
from wa.usage import Rebuilding

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


class Room:
    def __init__(self, mongodb_uri):
        self.settings = MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"usage_{uuid.uuid4().hex[:10]}")
        self.mongo = Mongo(self.settings)
        self.store = ConversationStore(self.mongo)
        self.forms = self.mongo.database[schema.STORED_FORMS.name]

    async def send(self, name, at=NOW, slot="slot-0"):
        """A send of the chatbot that Meta has accepted then."""
        fact = read(result(message_id=name, wamid=f"wamid.{name}", at=at))
        async with OwnedSession(self.mongo, slot) as owned:
            await self.store.apply(owned, keys_of([fact], BOT), lambda known: plan([fact], known, BOT, at))

    async def log(self, chatbot, at, count=1, **fields):
        """Entries as a version wrote them that did not count."""
        entry = {
            "kind": "send",
            "at": at,
            "day": str(at.date()),
            **({"chatbotId": chatbot} if chatbot else {}),
            **fields,
        }
        await self.store.usage_logs.insert_many({**entry, "_id": uuid.uuid4().hex} for _ in range(count))

    async def sums(self):
        counted, logged = Counter(), Counter()
        async for document in self.store.usage_days.find({}):
            counted[tuple(document.get(name) for name in KEYS)] += document["count"]
        async for document in self.store.usage_logs.find({}):
            logged[tuple(document.get(name) for name in KEYS)] += 1
        return counted, logged

    def rebuilding(self, first=None, last=None, *, lower=False, say=print):
        return Rebuilding(self.mongo, first, last, lower=lower, say=say)


@pytest.fixture
async def room(mongodb_uri, monkeypatch):
    room = Room(mongodb_uri)
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", room.settings.mongodb_database)
    await room.store.ensure_indexes()
    yield room
    await room.mongo.client.drop_database(room.settings.mongodb_database)
    await room.mongo.close()


@pytest.mark.integration
@pytest.mark.feature("usage summary")
async def test_what_was_logged_before_is_counted(room):
    await room.send("m1")
    for chatbot, days, count in (("bot", 0, 2), ("bot", 3, 3), ("bot", 400, 1), ("other", 3, 5), (None, 2, 4)):
        await room.log(chatbot, NOW - days * DAY, count)
    await room.log("bot", NOW - DAY, 2, kind="pricing", category="")
    await room.log("bot", NOW - DAY, 1, kind="pricing")
    for _ in range(2):
        done = await room.rebuilding().run(None)
        counted, logged = await room.sums()
        assert counted == logged
        assert (done.days, done.entries, done.kept) == (6, 19, 0)


@pytest.mark.integration
async def test_only_the_days_and_the_chatbot_that_are_asked_for_are_counted(room):
    for chatbot in ("bot", "other"):
        for days in range(6):
            await room.log(chatbot, NOW - days * DAY)
    done = await room.rebuilding((NOW - 3 * DAY).date(), (NOW - 2 * DAY).date()).run("bot")
    counted, _ = await room.sums()
    assert {key[:2] for key in counted} == {("bot", str((NOW - n * DAY).date())) for n in (2, 3)}
    assert (done.days, done.entries) == (2, 2)


@pytest.mark.integration
async def test_a_counter_without_entries_is_removed_only_when_that_is_asked_for(room):
    await room.send("m1")
    await room.send("m2", at=NOW - 2 * DAY)
    await room.store.usage_logs.delete_many({"messageId": "m2"})
    before = await room.sums()
    done = await room.rebuilding().run(None)
    assert (done.days, done.kept) == (1, 1)
    assert await room.sums() == before
    done = await room.rebuilding(lower=True).run(None)
    counted, logged = await room.sums()
    assert counted == logged
    assert (done.days, done.kept) == (2, 0)


@pytest.mark.integration
async def test_counting_again_while_processes_count_loses_and_doubles_nothing(room):
    await room.log("bot", NOW, 50)
    over = asyncio.Event()

    async def write(slot):
        number = 0
        while not over.is_set():
            await room.send(f"{slot}.{number}", slot=slot)
            number += 1
        return number

    async with asyncio.timeout(60):
        writing = [asyncio.create_task(write(f"slot-{n}")) for n in range(3)]
        for _ in range(20):
            await room.rebuilding().run(None)
        over.set()
        written = sum(await asyncio.gather(*writing))
    await room.rebuilding().run("another")  # nothing of it
    counted, logged = await room.sums()
    assert counted == logged
    assert sum(counted.values()) == 50 + written
    assert written > 20


@pytest.mark.integration
async def test_the_summary_trusts_the_counters_once_no_older_version_can_run(room, capsys):
    async def rebuild(*given):
        assert await asyncio.to_thread(main, ["usage", "rebuild", *given]) == 0
        return capsys.readouterr().out

    await room.log("bot", NOW - 5 * DAY, 3)
    await room.forms.update_one({"_id": COUNTED}, {"$set": {"since": NOW + DAY}})
    assert f"again on {whole_from(NOW + DAY)} or later" in await rebuild()
    await room.forms.update_one({"_id": COUNTED}, {"$set": {"since": NOW - 2 * DAY}})
    assert "from now on" not in await rebuild("--chatbot", "bot")
    assert await Documents(room.mongo.database).counted_since() == (NOW - DAY).date()
    assert "1 days of chatbots counted, 3 entries; from now on" in await rebuild()
    assert await Documents(room.mongo.database).counted_since() == ALWAYS.date()


def test_a_day_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["usage", "rebuild", "--from", "yesterday"])
    assert "YYYY-MM-DD" in capsys.readouterr().err


def test_what_is_counted_apart_has_counters_of_its_own():
    entries = [
        {"chatbotId": "a", "day": "2026-11-01", "kind": "send"},
        {"chatbotId": "a", "day": "2026-11-01", "kind": "send", "wamid": "whatever"},
        {"chatbotId": "a", "day": "2026-11-01", "kind": "pricing", "category": ""},
        {"chatbotId": "a", "day": "2026-11-01", "kind": "pricing"},
        {"day": "2026-11-01", "kind": "pricing"},
    ]
    counters = counters_of(entries, "w")
    assert sorted(count for _, count in counters.values()) == [1, 1, 1, 2]
    assert not counters.keys() & counters_of(entries, "w2").keys()
    assert counters_of([], "w") == {}


@pytest.mark.parametrize(
    ("since", "day"),
    [
        (ALWAYS, date(1970, 1, 1)),
        (datetime(2026, 11, 1, tzinfo=UTC), date(2026, 11, 2)),
        (datetime(2026, 11, 1, 23, 59, tzinfo=UTC), date(2026, 11, 2)),
    ],
)
def test_a_day_is_whole_after_the_one_on_which_counting_began(since, day):
    assert whole_from(since) == day


def test_days_the_wrong_way_round_are_refused(capsys):
    assert main(["usage", "rebuild", "--from", "2026-11-09", "--to", "2026-11-01"]) == 2
    assert "--from 2026-11-09 is after --to 2026-11-01" in capsys.readouterr().err
