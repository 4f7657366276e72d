"""Which records wait while those behind them are looked at first."""

import json
from dataclasses import dataclass

import pytest

from common.kafka.wire.unreadable import Unreadable
from sender.worker.intake.read_ahead import ReadAhead, ReadAheadBudget


@dataclass
class Record:
    offset: int
    value: bytes | None
    headers: tuple = ()


def of(tenant, offset=0, **more):
    return Record(offset, json.dumps({"chatbotId": tenant, "to": "+4915112345678", **more}).encode())


def ahead(*backlogs, most=1 << 20):
    budget = ReadAheadBudget(most)
    return ReadAhead(budget, backlogs), budget


def test_without_a_backlog_nothing_waits():
    waiting, budget = ahead()
    assert not waiting.takes(of("a"))
    assert (len(waiting), waiting.first, budget.used) == (0, None, 0)


def test_only_records_of_tenants_with_a_backlog_wait_in_order():
    waiting, _ = ahead("flood")
    records = [of("flood" if n % 2 else "quiet", n) for n in range(10)]
    assert [waiting.takes(record) for record in records] == [False, True] * 5
    assert waiting.first == 1
    assert [record.offset for record in waiting.pop(3)] == [1, 3, 5]
    assert waiting.first == 7
    assert [record.offset for record in waiting.pop(9)] == [7, 9]


def test_while_a_record_of_a_tenant_waits_all_after_it_wait_also_when_the_backlog_is_over():
    backlogs = {"flood"}
    budget = ReadAheadBudget(1 << 20)
    waiting = ReadAhead(budget, backlogs)
    assert waiting.takes(of("flood", 1))
    assert waiting.takes(of("flood", 2))
    backlogs.clear()
    assert waiting.takes(of("flood", 3))
    waiting.pop(2)
    assert waiting.takes(of("flood", 4))
    waiting.pop(2)
    assert not waiting.takes(of("flood", 5))


@pytest.mark.parametrize(
    "value",
    [None, b"", b"[]", b"{", b'{"to": "1"}', b'{"chatbotId": 7}', b'{"chatbotId": null}', b'{"chatbotId": "flood"} x'],
)
def test_a_record_without_a_tenant_is_judged_at_once(value):
    waiting, _ = ahead("flood")
    assert not waiting.takes(Record(1, value))


def test_of_a_field_that_is_repeated_the_last_counts():
    waiting, _ = ahead("flood")
    assert waiting.takes(Record(1, b'{"chatbotId": "quiet", "chatbotId": "flood"}'))
    assert not waiting.takes(Record(2, b'{"chatbotId": "flood", "chatbotId": "quiet"}'))


def test_an_unreadable_record_is_judged_at_once():
    waiting, _ = ahead("flood")
    value = of("flood").value
    assert not waiting.takes(Unreadable("t", 0, 1, 0, 0, None, value, None, 0, 0, (), first=1, problem="damaged"))


def test_all_sessions_share_the_budget_which_counts_values_headers_and_objects():
    budget = ReadAheadBudget(2_000)
    one, two = (ReadAhead(budget, ("flood",)) for _ in range(2))
    record = of("flood", 1)
    record.headers = (("name", b"value"), ("empty", None))
    assert one.takes(record)
    assert budget.used == 500 + len(record.value) + len("namevalueempty")
    assert not one.is_full
    assert one.takes(of("flood", 2, message="x" * 1_500))
    assert one.is_full
    assert not two.is_full  # it has nothing to wait for
    assert not two.takes(of("flood", 1))
    assert one.takes(of("flood", 3))  # behind others of its tenant
    one.clear()
    assert (budget.used, len(one), one.is_full) == (0, 0, False)
    assert two.takes(of("flood", 1))


def test_without_a_budget_nothing_waits():
    waiting, _ = ahead("flood", most=0)
    assert not waiting.takes(of("flood"))
