"""A year's data: filled in parts, refused where the disk is too small, measured, and shown as a table."""

import json
import shutil
import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from types import SimpleNamespace

import bson
import pytest
from bson.codec_options import CodecOptions
from pymongo import MongoClient

from common.mongo import schema
from yardstick.queries.driver_calls import DriverCall
from yardstick.queries.observing import Seen, Watched
from yardstick.queries.plans import Plan
from yardstick.stored.facts import documents_of
from yardstick.stored.turn import FAILED, STATUSES
from yardstick.stored.year import Year, YearSeeds
from yardstick.stored.year_filling import DiskTooSmall, YearFilling
from yardstick.year.measuring import Times, rows
from yardstick.year.table import slow, tables

MESSAGES = 8_000
UNTIL = datetime(2026, 11, 30, 12, tzinfo=UTC)
FOUND = {"_id", "recordId", "token", "digest", "conversationId", "raw"}
"""Random, made of random ids, or with them in it."""


@pytest.mark.parametrize("back", [1, 2, 51])
def test_a_turn_is_stored_as_the_services_store_it(back):
    year = Year.of(MESSAGES, UNTIL)
    turn = year.turn(year.turns - back)
    made = YearSeeds(year).of([turn.number])
    assert year.fails(turn.number) is (back in (1, 51))
    written = documents_of(turn, turn.received, FAILED if year.fails(turn.number) else STATUSES)
    assert made.keys() == written.keys()
    for name, documents in made.items():
        stored = [bson.decode(one.raw, CodecOptions(tz_aware=True)) for one in documents]
        for one, wanted in zip(stored, written[name], strict=True):
            counts = {"inboundCount": 5, "outboundCount": 5} if name == schema.CONVERSATIONS.name else {}
            assert without(one) == without({**bson.decode(bson.encode(wanted), CodecOptions(tz_aware=True)), **counts})


def without(document):
    return {name: value for name, value in document.items() if name not in FOUND}


@pytest.fixture
def place(mongodb_uri):
    name = f"year_{uuid.uuid4().hex[:10]}"
    with MongoClient(mongodb_uri) as client:
        yield client, name
        client.drop_database(name)
        client.drop_database(f"{name}_filling")


@pytest.mark.integration
def test_a_filling_that_was_cut_off_goes_on_and_writes_nothing_twice(place):
    client, name = place
    whole = YearFilling(client, name, MESSAGES, lambda _: None)
    year = whole.start()
    assert not whole.fill(year, seconds=0)
    whole._insert(YearSeeds(year), range(year.turns - 100, year.turns))  # written, and not noted
    again = YearFilling(client, name, MESSAGES, lambda _: None)
    assert again.start() == year
    assert again.fill(year)
    assert again.fill(year)
    assert client[name]["messages"].estimated_document_count() == MESSAGES
    assert client[name]["conversations"].estimated_document_count() == year.people.count
    (counted,) = client[name]["usage_days"].aggregate([{"$group": {"_id": None, "count": {"$sum": "$count"}}}])
    assert counted["count"] == 2 * year.turns
    made = client[name].command("collStats", "messages")["wiredTiger"]["creationString"]
    assert "block_compressor=zstd" in made  # as the services create it


@pytest.mark.integration
def test_another_size_is_another_database(place):
    client, name = place
    YearFilling(client, name, MESSAGES, lambda _: None).start()
    with pytest.raises(ValueError, match="begun with 8,000 messages"):
        YearFilling(client, name, 2 * MESSAGES, lambda _: None).start()


@pytest.mark.integration
def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(place, monkeypatch):
    client, name = place
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=6e9))
    with pytest.raises(DiskTooSmall, match=r"10,000,000 messages need some \d+ GB, and .* has 6 GB free"):
        YearFilling(client, name, 10_000_000, lambda _: None).start()
    assert name not in client.list_database_names()
    YearFilling(client, name, MESSAGES, lambda _: None).start()


def seen(place, documents, returned, milliseconds, index="by_x"):
    plan = Plan("things", frozenset({"IXSCAN"}), (index,), documents, returned=returned, keys=0)
    module, function, method = place.split(":")
    return Seen(DriverCall(module, function, method, 1, 1), "things", [plan], milliseconds)


def test_a_row_has_the_worst_plan_all_indexes_and_the_times_of_the_other_run():
    explained = Watched(commands=[seen("m:f:find", 50, 50, 900), seen("m:f:find", 9, 1, 900, "by_y")])
    timed = Watched(commands=[seen("m:f:find", 0, 0, float(n)) for n in range(1, 101)])
    (row,) = rows(explained, timed)
    assert (row.documents, row.returned, row.index) == (9, 1, "by_x, by_y")
    assert (row.times.p50, row.times.count) == (50.5, 100)
    assert 95 <= row.times.p95 <= 96


def test_the_table_has_each_size_and_marks_what_is_slow():
    def size(milliseconds):
        watched = Watched(commands=[seen("m:f:find", 1, 1, milliseconds)])
        calls = {"thread": asdict(Times.of([milliseconds]))}
        return {"commands": [asdict(row) for row in rows(watched, watched)], "calls": calls}

    sizes = json.loads(json.dumps({"few": size(1.0), "many": size(30.0)}))
    sizes = {1_000: sizes["few"], 2_000: sizes["many"]}
    table = tables(sizes)
    assert "| thread | 1.0 / 1.0 | **30.0 / 30.0** |" in table
    assert "| `m:f:find` | `things` | by_x |  | 1 ÷ 1 | 1.0 / 1.0 | **30.0 / 30.0** |" in table
    assert slow(sizes) == ["m:f:find"]
    assert slow({1_000: sizes[1_000]}) == []
