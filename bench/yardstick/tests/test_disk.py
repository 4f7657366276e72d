"""The turns of the measurement of bytes are what the services understand, and its sizes are those of the files."""

import zlib
from datetime import UTC, datetime

import pytest

from common.contracts import topics
from common.contracts.sends import SendRequest
from conversation.batch.facts import Inbound, Result, StatusSeen
from yardstick.disk.__main__ import sides_of
from yardstick.disk.measuring import InCollections, OnTopics
from yardstick.disk.side import RECORDS, TOPICS
from yardstick.disk.sizes import Stored, of_topics, stored
from yardstick.disk.table import tables
from yardstick.disk.texts import text
from yardstick.disk.turns import steps_of, varied
from yardstick.stored.facts import facts_of
from yardstick.stored.turn import People

PEOPLE = People.of(1_000, datetime(2026, 11, 30, 12, tzinfo=UTC))
TURNS = [varied(PEOPLE, number) for number in range(60)]


@pytest.mark.parametrize("turn", TURNS[:20], ids=lambda turn: turn.number)
def test_the_services_understand_every_turn(turn):
    kinds = [type(fact) for fact in facts_of(turn, turn.received)]
    assert kinds == [Inbound, Result, StatusSeen, StatusSeen, StatusSeen]
    assert isinstance(turn.job().request, SendRequest)


def test_turns_are_of_several_kinds_and_always_the_same():
    kinds = {turn.content["type"] for turn in TURNS}
    assert kinds >= {"text", "image", "audio", "interactive", "reaction"}
    assert {type(turn.message) for turn in TURNS} == {str, dict}
    assert [turn.content for turn in TURNS] == [varied(PEOPLE, turn.number).content for turn in TURNS]


def test_texts_are_packed_no_better_than_those_of_people():
    """English is packed to some 40 % by zlib, in pieces of tens of kilobytes."""
    many = "\n".join(varied(PEOPLE, number).question for number in range(1_000)).encode()
    assert len(zlib.compress(many, 9)) > 0.4 * len(many)


def test_a_text_has_as_many_words_as_asked_for():
    assert len(text(TURNS[0]._chance("any"), 7).split()) == 7


def test_the_steps_write_every_record_of_the_turns_to_its_topic():
    steps = steps_of(TURNS[:5])
    written = [record for _, records in steps for record in records]
    assert len(written) == 5 * RECORDS
    assert {record.topic for record in written} == {topic.name for topic in TOPICS}
    assert [
        len([one for one in written if one.topic == name]) for name in (topics.WEBHOOKS.name, topics.SEND.name)
    ] == [
        20,
        5,
    ]
    assert all(len(records) == 5 for _, records in steps)


def test_a_topic_is_its_segments_and_no_other_topics(tmp_path):
    for folder, name, size in (
        ("send-0", "00.log", 5),
        ("send-1", "00.log", 7),
        ("send-1", "00.index", 100),
        ("send-retry-0", "00.log", 11),
        ("send-0.abc-delete", "00.log", 13),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(b"x" * size)
    assert of_topics(tmp_path, ["send", "send-retry", "none"]) == {"send": 12, "send-retry": 11, "none": 0}


def test_what_a_file_has_free_is_not_counted():
    stats = {
        "size": 900,
        "storageSize": 500,
        "freeStorageSize": 100,
        "indexSizes": {"_id_": 50, "other": 30},
        "indexDetails": {"_id_": {"block-manager": {"file bytes available for reuse": 20}}},
    }
    assert stored(stats) == Stored(900, 400, {"_id_": 30, "other": 30})
    assert stored(stats).total == 460


def test_the_tables_have_sums_and_medians_and_a_gap_where_an_index_is_missing():
    runs = [OnTopics(side, 4, {"a": size, "b": 1.0}, {"broker": 9.0}) for side, size in (("plain", 10.0), ("now", 4.0))]
    runs += [OnTopics("now", 4, {"a": size, "b": 1.0}, {"broker": 9.0}) for size in (6.0, 50.0)]
    collections = [
        InCollections("plain", {"messages": Stored(9, 8, {"_id_": 2, "old": 5})}, 70.0),
        InCollections("now", {"messages": Stored(9, 3, {"_id_": 1})}, 80.0),
    ]
    lines = list(tables(runs, collections))
    assert "| **all topics** | 11 | 7 |" in lines
    assert "| messages.old | 5 | - |" in lines
    assert "| **all collections** | 15 | 4 |" in lines


def test_the_side_that_is_compared_with_has_no_compression_and_plain_collections():
    plain, declared, more = sides_of("lz4", None)
    assert (plain.plain, plain.settings) == (True, {"KAFKA_COMPRESSION": "none"})
    assert (declared.plain, declared.settings) == (False, {})
    assert more.settings == {"KAFKA_COMPRESSION": "lz4"}
