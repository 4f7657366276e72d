"""The pure parts: what is seeded, which customers write, and what measurements come to."""

from datetime import UTC, datetime

import pytest

from common.contracts.ids import inbound_message_id
from yardstick.growth.backlogs import Sample
from yardstick.growth.backlogs import step_of as backlog_step
from yardstick.growth.seeding import Seeds, planned, records, scattered
from yardstick.growth.steps import Reading, Step, cost_beside, flatness, step_of
from yardstick.growth.sweep import Extents, told
from yardstick.rig.measurements import Measurement, Span

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("customer", [0, 7, 24, 1_234, 999_999])
def test_what_is_seeded_is_what_the_service_writes(customer):
    ours, theirs = Seeds(NOW).of(customer), planned(customer, NOW)
    assert ours == theirs
    assert [list(document) for document in ours] == [list(document) for document in theirs]


def test_messages_are_of_seeded_customers_and_not_seeded_themselves():
    seeds = [Seeds(NOW).of(customer) for customer in range(10)]
    keys = {conversation["aliases"][0].replace("|", ":", 1) for conversation, _ in seeds}
    found = records(10, 20)
    assert [record.key in keys for record in found] == [True] * 20
    wamids = {header for record in found for header in record.headers if header[0] == "event-id"}
    assert len(wamids) == 20
    assert not {inbound_message_id(message["phoneNumberId"], message["wamid"]).encode() for _, message in seeds} & {
        value for _, value in wamids
    }


@pytest.mark.parametrize(("size", "count"), [(1, 5), (100, 250), (10_000, 1_000), (1_000_000, 10_000)])
def test_messages_are_spread_over_all_customers(size, count):
    numbers = list(scattered(size, count))
    customers = [number % size for number in numbers]
    assert len(set(numbers)) == count
    assert min(numbers) >= size
    assert len(set(customers)) == min(size, count)
    if size > count:
        assert max(customers) - min(customers) > size * 0.99


def step(size, cpu_us):
    return Step(size, per_second=100.0, cpu_us=cpu_us, memory_mib=50.0)


def test_flatness_is_the_largest_to_the_smallest_in_whatever_order():
    assert flatness([step(100, 30.0), step(1, 20.0), step(10, 90.0)]) == 1.5
    assert flatness([step(1, 20.0)]) == 1.0


def test_what_a_process_beside_costs_counts_from_the_warm_messages_on():
    span = Span(total=100, warm=20, seconds=1.0)
    assert cost_beside([Reading(0, 5.0), Reading(20, 6.0), Reading(60, 6.5), Reading(100, 7.6)], span) == pytest.approx(
        20_000
    )
    assert cost_beside([Reading(0, 5.0), Reading(100, 6.0), Reading(100, 6.1)], span) == 0.0
    assert cost_beside([], span) == 0.0


def test_processes_side_by_side_add_up_to_one_step():
    both = [Measurement(1_000.0, 150.0, 30 * 2**20), Measurement(990.0, 170.0, 34 * 2**20)]
    assert step_of(2, both, mongod_us=9.0) == Step(2, 990.0, 320.0, 64.0, {"mongod_us": 9.0})


def test_a_backlog_has_its_rate_its_cost_and_its_highest_memory():
    samples = [
        Sample(10.0, 0, 1.0, 50 * 2**20),
        Sample(11.0, 500, 1.5, 90 * 2**20),
        Sample(12.0, 1_000, 2.0, 70 * 2**20),
    ]
    found = backlog_step(5_000, samples, committed=10)
    assert (found.per_second, found.cpu_us, found.memory_mib) == (500.0, 1_000.0, 90.0)
    assert found.extra == {"first_mib": 50.0, "done": 1_000, "seconds": 2.0, "committed": 10}


def test_a_backlog_that_no_consumer_takes_costs_all_there_is():
    assert backlog_step(5, [Sample(0.0, 3, 1.0, 0), Sample(1.0, 3, 1.2, 0)]).cpu_us == pytest.approx(200_000)


def test_a_step_fits_a_line():
    assert told("tenants", Step(1, 2_000.0, 31.25, 64.0, {"mongod_us": 9.0})).split() == [
        "tenants", "1", "2,000/s", "31.2", "µs", "64", "MiB", "mongod_us", "9.0"
    ]  # fmt: skip


def test_every_dimension_goes_from_small_to_large():
    for extents in (Extents.quick(), Extents.full()):
        for steps in (extents.conversations, extents.tenants, extents.partitions, extents.replicas, extents.sends):
            assert sorted(steps) == list(steps)
