"""The pure parts of the measured exchanges: stages from spans, the sum of the bare steps, ratios, and the tables."""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from yardstick.latency.bare import STEPS, sum_of
from yardstick.latency.exchange import Exchanges, instants
from yardstick.latency.exchanges import BARE, Found
from yardstick.latency.stages import CALL, STAGES, WEBHOOK, hops_of, milliseconds, table
from yardstick.load.statuses import body


@dataclass(frozen=True)
class Span:
    span_id: str
    parent_id: str
    service: str
    name: str
    began_ns: int
    ended_ns: int


MS = 1_000_000
SPANS = [
    Span(*fields, begin * MS, end * MS)
    for *fields, begin, end in [
        ("a", "load", *WEBHOOK, 0, 5),
        ("b", "a", "ingress", "send whatsapp-cloud-webhooks", 1, 4),
        ("c", "b", "conversation", "process whatsapp-cloud-webhooks", 6, 40),
        ("d", "c", "conversation", "mongodb transaction", 7, 20),
        ("e", "c", "conversation", "send incoming-messages", 22, 39),
        ("f", "e", "ai_responder", "process incoming-messages", 42, 50),
        ("g", "f", "ai_responder", "send whatsapp-cloud-send", 43, 49),
        ("h", "g", "sender", "process whatsapp-cloud-send", 50, 80),
        ("i", "h", "sender", "mongodb journal", 52, 60),
        ("j", "h", *CALL, 61, 70),
        # What comes after the call: a status of the reply, in the same trace.
        ("k", "j", *WEBHOOK, 100, 103),
        ("l", "k", "ingress", "send whatsapp-cloud-webhooks", 101, 102),
        ("m", "l", "conversation", "process whatsapp-cloud-webhooks", 104, 120),
    ]
]


def test_the_stages_follow_one_another_and_make_up_the_whole_way():
    found = milliseconds(hops_of(SPANS))
    assert found == [4, 2, 1, 13, 2, 17, 3, 7, 1, 2, 8, 1]
    assert len(found) == len(STAGES)
    assert sum(found) == 61


def test_the_order_in_which_spans_come_does_not_count():
    assert milliseconds(hops_of(SPANS[::-1])) == milliseconds(hops_of(SPANS))


@pytest.mark.parametrize("missing", "abcdefghij")
def test_a_trace_without_one_of_its_hops_is_left_out(missing):
    assert hops_of([span for span in SPANS if span.span_id != missing]) is None


def test_a_table_has_the_middle_and_the_end_of_each_stage_and_of_the_whole():
    later = [replace(span, ended_ns=span.ended_ns + 10 * MS) if span.span_id == "b" else span for span in SPANS]
    rows = table([hops_of(SPANS), hops_of(SPANS), hops_of(later)])
    assert rows[0] == (STAGES[0][0], 4, 14)
    assert rows[-1] == ("webhook → call", 61, 61)
    assert table([]) == []


def test_the_least_of_an_exchange_has_what_it_does_twice_twice():
    steps = {"http": 1.0, "record": 10.0, "acknowledged": 5_000.0, "transaction": 100.0, "documents": 200.0}
    assert sum_of({**steps, "journal": 1_000.0}) == 1_322.0


def test_exchanges_are_due_one_by_one_at_no_fixed_distance():
    found = instants(100.0, 4.0, 5.0)
    assert len(found) == 20
    assert found == sorted(found)
    assert all(0 <= due - (100.0 + number / 4) <= 0.125 for number, due in enumerate(found))
    assert len({round(later - before, 6) for before, later in pairwise(found)}) > 1


def found_with(late, missing=0):
    exchanges = Exchanges(2.0, late, missing, [hops_of(SPANS)], {"sender": 0.1, "ingress": 0.3})
    return Found({"one at a time": exchanges}, {step: [1.0, 2.0, 3.0] for step in STEPS}).measurements()


def test_a_rate_has_its_middle_and_its_end_and_the_cpu_of_all_processes():
    run = found_with([28.0, 28.0, 90.0])["one at a time"]
    assert (run.late_ms, run.cpu_us) == ((28.0, 90.0), 200_000.0)


def test_an_exchange_that_never_came_is_the_latest():
    assert found_with([10.0] * 3, missing=4)["one at a time"].late_ms == (float("inf"), float("inf"))


def test_there_is_a_line_for_every_stage_and_step():
    found = found_with([28.0])
    assert {f"one at a time: {stage}" for stage, _ in STAGES} <= found.keys()
    assert {f"{BARE}: {step}" for step in STEPS} <= found.keys()
    assert found[BARE].late_ms == (14.0, 14.0)


def test_a_status_of_a_message_to_a_person_without_a_known_number_names_that_person():
    assert '"recipient_id": "DE.1"' in body({"recipient": "DE.1"}, "wamid.1", "10654035", "sent").decode()


def test_a_status_goes_to_the_number_that_sent_and_names_the_message():
    said = body({"to": "+4915", "biz_opaque_callback_data": "signed"}, "wamid.1", "10654035", "read").decode()
    assert all(part in said for part in ('"wamid.1"', '"read"', '"4915"', '"signed"', '"phone_number_id": "10654035"'))
