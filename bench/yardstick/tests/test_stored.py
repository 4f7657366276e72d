"""What MongoDB is filled with is what the services would write, and costs are differences for each record."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import bson
import pytest
from bson.codec_options import CodecOptions

from common.mongo import schema
from conversation.batch.facts import Inbound, Result, StatusSeen
from yardstick.parts import stored
from yardstick.report.goals import values_of
from yardstick.stored.counters import Counts
from yardstick.stored.facts import batches, documents_of
from yardstick.stored.measuring import Cost, per_record
from yardstick.stored.seeding import Seeds
from yardstick.stored.template import Template, packed
from yardstick.stored.turn import People

NOW = datetime(2026, 11, 30, 12, 0, 0, 500_000, tzinfo=UTC)
PEOPLE = People.of(1_000, NOW)
IDS = {"_id", "conversationId", "recordId", "token", "digest"}
"""Names that are random, or derived from random ones."""


def decoded(document):
    return bson.decode(document, CodecOptions(tz_aware=True))


def without_ids(name, document):
    kept = {key: value for key, value in document.items() if key not in IDS}
    if name == schema.WEBHOOK_EVENTS.name and "raw" in kept:
        kept["raw"], kept["_id"] = kept["raw"].partition("biz_opaque")[0], document["_id"]
    return kept


@pytest.mark.parametrize("number", [0, 1, 77, 199])
def test_seeds_are_what_the_services_write_of_this_turn(number):
    turn = PEOPLE.turn(number)
    written = documents_of(turn, turn.received)
    seeded = Seeds(PEOPLE).of(number)
    assert seeded.keys() == written.keys()
    for name, documents in seeded.items():
        found = [without_ids(name, decoded(one)) for one in documents]
        assert found == [without_ids(name, one) for one in written[name]]


def test_a_turn_of_a_known_person_has_no_new_conversation():
    seeds = Seeds(PEOPLE)
    assert schema.CONVERSATIONS.name in seeds.of(PEOPLE.count - 1)
    assert schema.CONVERSATIONS.name not in seeds.of(PEOPLE.count)


def test_all_people_have_their_turn_before_the_first_has_another():
    assert len({PEOPLE.turn(number).customer for number in range(PEOPLE.count)}) == PEOPLE.count == 200
    assert PEOPLE.turn(200).customer == PEOPLE.turn(0).customer


def test_no_two_seeds_share_an_id():
    seeds = Seeds(PEOPLE)
    made = [seeds.of(number) for number in range(50)]
    for collection in made[0]:
        ids = [decoded(one)["_id"] for turn in made for one in turn[collection]]
        assert len(set(ids)) == len(ids)


def test_a_template_takes_the_longest_value_first():
    document = {"a": "x-12", "b": "x-1", "at": NOW}
    later = NOW + timedelta(days=1)
    template = Template(document, ["x-1", "x-12", NOW])
    assert decoded(template.filled([packed(value) for value in ("y-3", "y-34", later)])) == {
        "a": "y-34",
        "b": "y-3",
        "at": later,
    }


def test_facts_come_in_their_order_and_mixed():
    turns = [PEOPLE.turn(number) for number in range(20)]
    made = list(batches(turns, 20, NOW))
    facts = [fact for batch in made for fact in batch]
    assert len(facts) == 5 * len(turns)
    assert {type(fact) for fact in made[2]} == {Inbound, Result, StatusSeen}
    words = [
        fact.status.status for fact in facts if isinstance(fact, StatusSeen) and fact.status.id == turns[0].wamid_out
    ]
    assert words == ["sent", "delivered", "read"]


def counts(**more):
    nothing = {"cpu_seconds": 1.0, "documents": {"inserted": 5}, "journal_bytes": 0, "oplog_bytes": 0, "page_bytes": 0}
    return Counts(**{**nothing, "indexes": {}, **more})


def test_a_cost_is_the_difference_for_each_record():
    before = counts(indexes={"messages._id_": {"inserted": 7, "removed": 1}})
    after = counts(
        cpu_seconds=1.5,
        documents={"inserted": 15, "updated": 10},
        journal_bytes=1_000,
        indexes={"messages._id_": {"inserted": 17, "removed": 1}, "messages.new": {"inserted": 5, "removed": 5}},
    )
    cost = per_record(before, after, 10, 2.0)
    assert cost.cpu_us == pytest.approx(50_000)
    assert (cost.per_second, cost.documents, cost.journal_bytes) == (5, 2, 100)
    assert cost.indexes == {"messages._id_": 1, "messages.new": 1}


class Beside:
    """A database of so many messages, and its own client."""

    pid = 0

    def __init__(self, messages):
        self.messages = messages
        self.mongo = self.sender = self

    def turns(self, _count):
        return []


async def test_a_goal_compares_many_with_few_in_the_same_round(monkeypatch):
    costs = {
        ("conversation", 10_000): 100,
        ("conversation", 1_000_000): 150,
        ("sender", 10_000): 50,
        ("sender", 1_000_000): 60,
    }
    order = []

    @asynccontextmanager
    async def filled(_uri, messages, _say):
        yield Beside(messages)

    async def cost_of(mongo, _pid, collections, _job):
        service = "sender" if schema.SEND_JOURNAL in collections else "conversation"
        order.append(mongo.messages)
        return Cost(10.0, costs[service, mongo.messages], 1, 1, 1, 1, {})

    monkeypatch.setattr("yardstick.stored.rounds.filled", filled)
    monkeypatch.setattr("yardstick.stored.rounds.cost_of", cost_of)
    bench = SimpleNamespace(rig=SimpleNamespace(mongodb="mongodb://none"), say=lambda _: None)
    rounds = await stored.PART.measure(bench, 2)
    assert order == [10_000, 10_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 10_000, 10_000]
    assert values_of(stored.PART.goals, rounds) == {"stored": 1.5, "stored_sends": 1.2}
