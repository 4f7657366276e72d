"""The figures of a flood."""

import pytest

from common.kafka.wire.partitioner import partition_of
from flood.measurements import Number, Served, Waits, as_json, compared, number_line, percentile, scarce_table, table
from flood.scarce import served
from flood.tenants import FLOODING, message, quiet_tenants


@pytest.mark.parametrize(
    ("values", "percent", "found"), [([], 99, 0.0), ([5.0], 50, 5.0), (range(1, 101), 99, 99), (range(1, 101), 50, 50)]
)
def test_percentiles_are_of_the_nearest_rank(values, percent, found):
    assert percentile(values, percent) == found


def test_a_limit_is_kept_when_no_second_and_no_call_was_over_it():
    assert Number(limit=80, busiest=80, rate=76.0, refused=0).kept
    assert not Number(limit=80, busiest=81, rate=76.0, refused=0).kept
    assert not Number(limit=80, busiest=80, rate=76.0, refused=1).kept
    assert "76.0/s while there was enough (95% of the limit)" in number_line(Number(80, 80, 76.0, 0))


def test_everything_is_in_the_table_and_in_the_file():
    phases = {"alone": {"free": Waits.of([1.0, 2.0, 30.0])}}
    (_, line) = table(phases)
    assert line.split() == ["alone", "free", "3", "2", "30", "30"]
    assert as_json(phases, Number(80, 80, 72.0, 0), takenInSeconds=1)["number"]["share"] == 0.9


def test_a_run_is_compared_with_an_earlier_one_where_both_have_a_phase():
    now = {"alone": {"free": Waits.of([10.0])}, "new": {"free": Waits.of([1.0])}}
    before = as_json({"alone": {"free": Waits.of([20.0])}}, Number(80, 80, 72.0, 0))
    (_, line) = compared(now, before)
    assert line.split() == ["alone", "free", "0.50", "0.50"]


def test_what_a_plan_is_worth_is_the_p99_of_the_best_served_beside_that_of_the_least():
    plans = {"free": Served(Waits.of([400.0]), 3.0), "premium": Served(Waits.of([100.0]), 30.0)}
    lines = scarce_table(plans)
    assert lines[1].split() == ["free", "1", "400", "400", "400", "3.0"]
    assert lines[-1] == "p99 premium / free: 0.25"


def test_the_rate_under_scarcity_leaves_out_the_time_before_the_queues_are_there():
    times = [(at, at + 100) for at in range(0, 4_000, 100)]
    assert served(times, 0.0, 4_000.0).rate == pytest.approx(10.0)
    assert served(times, 0.0, 4_000.0).waits.p99 == 100


def test_quiet_tenants_are_in_the_flooding_one_s_partition():
    tenants = quiet_tenants(["free", "premium", "premium"], 4)
    assert {partition_of(tenant.chatbot_id, 4) for tenant in tenants} == {partition_of(FLOODING, 4)}
    assert len({tenant.number for tenant in tenants}) == len({tenant.chatbot_id for tenant in tenants}) == 3


def test_its_messages_are_valid_requests():
    from common.contracts.sends import SendRequest

    assert SendRequest.model_validate_json(message("bot", "m", "+4917000000001", "campaign")).category == "campaign"
