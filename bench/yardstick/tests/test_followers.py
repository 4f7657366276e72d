"""The comparison of followers: what is read from a handler's notes, and how it is shown."""

from types import SimpleNamespace

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from yardstick.followers.costs import summary, total
from yardstick.followers.notes import Notes, lateness_ms, missing, read_notes, repeated
from yardstick.followers.stage import spoil
from yardstick.followers.table import markdown
from yardstick.followers.work import KINDS, Work
from yardstick.rig.measurements import Measurement


def test_notes_are_read_up_to_the_last_whole_line():
    notes = read_notes("10.5 a\nfailed\n11.0 b c\nfailed\n12.0 unfin")
    assert notes == Notes([(10.5, "a"), (11.0, "b c")], 2)
    assert read_notes("") == Notes([])


def test_what_is_missing_and_what_came_again():
    notes = Notes([(1.0, "a"), (2.0, "b"), (3.0, "a"), (4.0, "a")])
    assert missing(notes, ["a", "b", "c"]) == 1
    assert repeated(notes) == 2


def test_lateness_counts_from_the_time_of_writing():
    assert lateness_ms(Notes([(10.25, "10.0")])) == [250.0]


def test_a_partition_without_a_committed_offset_counts_nothing():
    assert total({0: SimpleNamespace(offset=7), 1: SimpleNamespace(offset=-1)}) == 7


def test_a_ratio_is_of_two_runs_in_the_same_round():
    measured = {
        "ours": [Measurement(100, 10), Measurement(50, 20)],
        "faststream": [Measurement(90, 20), Measurement(40, 40, 2**20)],
        "guarded": [Measurement(90, 15), Measurement(40, 30)],
    }
    found = summary(measured)
    assert {kind: one["ratio"] for kind, one in found.items()} == {"ours": 1.0, "faststream": 2.0, "guarded": 1.5}
    assert found["faststream"] == {"cpuUs": 30, "perSecond": 65, "memoryMiB": 0.5, "ratio": 2.0}


def test_the_tables_have_a_column_for_each_kind():
    one = {"cpuUs": 2_500.0, "perSecond": 1_000.0, "memoryMiB": 64.0, "ratio": 1.25}
    costs = {name: dict.fromkeys(KINDS, one) for name in ("full load", "idle")}
    lines = markdown({"costs": costs, "behaviour": {"SIGTERM": dict.fromkeys(KINDS, "ends")}})
    assert {line.count("|") for line in lines if line} == {5}
    assert "| full load | 2500.0 µs a record (1.25), 1,000/s |" in lines[3]
    assert "| idle | 2.50 ms of CPU a second (1.25) |" in lines[4]
    assert "| memory, idle | 64.0 MiB |" in lines[5]
    assert lines[-1] == "| SIGTERM | ends | ends | ends |"
    assert markdown({}) == []


async def test_the_handler_fails_while_the_file_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    monkeypatch.setenv("FAILS", str(tmp_path / "fails"))
    work, batch = Work(), [SimpleNamespace(value=b"a"), SimpleNamespace(value=b"b")]
    (tmp_path / "fails").touch()
    with pytest.raises(Exception, match="MongoDB"):
        await work.handle(batch)
    (tmp_path / "fails").unlink()
    await work.handle(batch)
    notes = read_notes((tmp_path / "seen").read_text())
    assert (notes.values, notes.failed) == (["a", "b"], 1)


def test_an_odd_name_is_in_a_batch_that_a_broker_takes():
    batch = BatchBuilder(16_384, 0)
    batch.append(key=None, value=b"odd", timestamp=1, headers=[("mark!", b"h")])
    spoil(batch)
    found = MemoryRecords(bytes(batch._build())).next_batch()
    assert found.validate_crc()
    with pytest.raises(UnicodeDecodeError):
        list(found)
