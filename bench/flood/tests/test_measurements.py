"""The figures of a flood."""

import pytest

from common.kafka.wire.partitioner import partition_of
from flood.measurements import Number, Waits, as_json, number_line, percentile, table
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


def test_quiet_tenants_are_in_the_flooding_one_s_partition():
    tenants = quiet_tenants(["free", "premium"], 4)
    assert {partition_of(tenant.chatbot_id, 4) for tenant in tenants} == {partition_of(FLOODING, 4)}
    assert len({tenant.number for tenant in tenants}) == 2


def test_its_messages_are_valid_requests():
    from common.contracts.sends import SendRequest

    assert SendRequest.model_validate_json(message("bot", "m", "+4917000000001", "campaign")).category == "campaign"
