"""What may be asked of `GET /messages`, and which 400 says what is wrong."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InvalidInput
from conversation.read_api.message_filter import STATUSES, parse_filter

HALF_PAST = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01T09:30:00Z",
        "2026-11-01t09:30:00z",
        "2026-11-01 09:30:00Z",
        "2026-11-01T09:30:00.000000000Z",
        "2026-11-01T09:30:00+00:00",
        "2026-11-01T09:30:00-00:00",
        "2026-11-01T11:00:00+01:30",
        "2026-11-01T11:00:00 01:30",  # a `+` in a query string that was not encoded
        "2026-11-01T01:30:00-08:00",
    ],
)
def test_a_time_is_read_as_rfc_3339_has_it(text):
    assert parse_filter("failed", text, None).since == HALF_PAST


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-1439, 1439))  # noqa: DTZ001  # zone follows
def test_every_time_of_the_calendar_is_read_back(at, minutes):
    moment = at.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_filter("sent", moment.isoformat(), None).since == moment


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "1793525400",
        "2026-11-01",
        "2026-11-01T09:30:00",
        "2026-11-01T09:30Z",
        "2026-13-01T09:30:00Z",
        "2026-11-01T24:30:00Z",
        "2026-11-01T09:30:00+25:00",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "२०२६-11-01T09:30:00Z",
        "2026-11-01T09:30:00Z\n",
        "2026-11-01T09:30:00." + "0" * 100_000 + "Z",
    ],
)
def test_what_is_no_time_is_refused_by_name(name, text):
    with pytest.raises(InvalidInput) as refused:
        parse_filter("failed", **{"since": None, "until": None, name: text})
    assert refused.value.details[0]["field"] == name


@pytest.mark.parametrize("status", [None, "", "FAILED", "gone", "failed,sent", "$ne"])
def test_the_status_is_one_that_a_message_can_have(status):
    with pytest.raises(InvalidInput) as refused:
        parse_filter(status, None, None)
    assert refused.value.details[0]["field"] == "status"
    assert all(known in refused.value.details[0]["message"] for known in STATUSES)


def test_a_span_of_no_time_is_refused():
    with pytest.raises(InvalidInput, match="until"):
        parse_filter("failed", "2026-11-01T09:30:00Z", "2026-11-01T10:30:00+01:00")
