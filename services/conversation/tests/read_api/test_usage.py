"""Usage: what is logged of Meta's pricing, and which days a summary is of."""

from datetime import UTC, date, datetime, timedelta

import pytest
from conversation_builders import Memory, again, result, status

from common.errors import InvalidInput
from conversation.read_api.usage import MAX_ROWS, Days, days_of, of_counters, of_log, parted, rows_of

TODAY = date(2026, 11, 1)


def pricing(**more):
    return {"pricing_model": "PMP", "type": "regular", "category": "service", **more}


@pytest.mark.feature("usage log")
@pytest.mark.parametrize("kind", ["regular", "free_customer_service", "free_entry_point", "a_type_of_tomorrow"])
@pytest.mark.parametrize("billable", [True, False, None])
def test_what_a_price_depends_on_is_logged(kind, billable):
    said = pricing(type=kind, category="authentication-international")
    if billable is not None:
        said["billable"] = billable
    _, done = Memory().run(status("sent", pricing=said))
    (usage,) = done.usage
    assert (usage["kind"], usage["pricingType"], usage["pricingModel"]) == ("pricing", kind, "PMP")
    assert (usage["category"], usage.get("billable")) == ("authentication-international", billable)
    assert (usage["chatbotId"], usage["wamid"], usage["day"]) == ("bot", "wamid.OUT1", "2026-11-01")


@pytest.mark.parametrize("said", [None, [], "free", {"type": 1, "category": {}, "billable": "yes"}])
def test_pricing_of_another_shape_breaks_nothing(said):
    _, done = Memory().run(status("sent", pricing=said))
    assert all({"category", "pricingType", "billable"}.isdisjoint(usage) for usage in done.usage)


@pytest.mark.feature("usage log")
def test_whatever_comes_again_is_the_same_usage():
    memory, sent, accepted = Memory(), status("sent", pricing=pricing()), result()
    records = [accepted, sent, again(sent), again(accepted), status("delivered", pricing=pricing()), status("read")]
    used = [usage["_id"] for record in records for usage in memory.run(record)[1].usage]
    assert len(set(used)) == 2


@pytest.mark.feature("usage summary")
@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (None, None, Days(date(2026, 10, 3), TODAY)),
        ("2026-10-30", None, Days(date(2026, 10, 30), TODAY)),
        (None, "2026-03-01", Days(date(2026, 1, 31), date(2026, 3, 1))),
        ("2026-11-01", "2026-11-01", Days(TODAY, TODAY)),
        ("2024-01-01", "2024-12-31", Days(date(2024, 1, 1), date(2024, 12, 31))),
    ],
)
def test_days_are_as_asked_or_the_last_thirty(first, last, days):
    assert days_of(first, last, TODAY) == days


@pytest.mark.parametrize(
    ("first", "last", "code", "named"),
    [
        ("yesterday", None, "invalid_date", "`from`"),
        (None, "2026-02-30", "invalid_date", "`to`"),
        ("2026-11-01T00:00:00Z", None, "invalid_date", "YYYY-MM-DD"),
        ("", None, "invalid_date", "`from`"),
        (None, "0001-01-01", "invalid_date", "`to`"),
        ("2026-10-02", "2026-10-01", "invalid_range", "2026-10-02"),
        ("2026-11-02", None, "invalid_range", "2026-11-01"),
        ("2025-10-31", "2026-11-01", "invalid_range", "367 days"),
    ],
)
def test_days_that_cannot_be_are_refused_with_what_to_do(first, last, code, named):
    with pytest.raises(InvalidInput) as refused:
        days_of(first, last, TODAY)
    assert refused.value.error_code == code
    assert named in refused.value.message


@pytest.mark.parametrize("pipeline", [of_log, of_counters])
def test_the_reach_of_a_key_is_in_the_match(pipeline):
    days = days_of(None, None, TODAY)
    assert pipeline({"chatbotId": {"$in": ["a"]}}, days)[0]["$match"]["chatbotId"] == {"$in": ["a"]}
    assert pipeline({}, days)[0]["$match"]["chatbotId"] == {"$ne": ""}


def test_a_day_of_the_log_ends_where_the_next_one_begins():
    at = of_log({}, Days(date(2026, 10, 3), TODAY))[0]["$match"]["at"]
    assert at == {"$gte": datetime(2026, 10, 3, tzinfo=UTC), "$lt": datetime(2026, 11, 2, tzinfo=UTC)}
    day = of_counters({}, Days(date(2026, 10, 3), TODAY))[0]["$match"]["day"]
    assert day == {"$gte": "2026-10-03", "$lte": "2026-11-01"}


@pytest.mark.parametrize("since", [TODAY + timedelta(days=n) for n in range(-7, 3)])
def test_every_day_is_counted_once_in_the_log_or_by_the_counters(since):
    days = Days(TODAY - timedelta(days=5), TODAY)
    log, counted = parted(days, since)
    found = [
        (part.first + timedelta(days=n), name)
        for part, name in ((log, "log"), (counted, "counted"))
        if part is not None
        for n in range((part.last - part.first).days + 1)
    ]
    wanted = [days.first + timedelta(days=n) for n in range(6)]
    assert found == [(day, "log" if day < since else "counted") for day in wanted]


def test_more_rows_than_an_answer_holds_are_refused():
    groups = [{"_id": {"day": str(TODAY - timedelta(days=n))}, "count": 1} for n in range(MAX_ROWS + 1)]
    assert len(rows_of(groups[:-1])) == MAX_ROWS
    with pytest.raises(InvalidInput, match="fewer days"):
        rows_of(groups)
