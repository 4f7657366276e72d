"""The limit on dead letters: only a failure of most tenants halts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.kafka.consume.dlq_limit import DeadLetterLimit, DeadLetterSettings
from common.kafka.consume.partition_session import Halted
from common.telemetry.tenants import UNKNOWN


def limit(**settings):
    return DeadLetterLimit(DeadLetterSettings(**settings))


def fail(letters, tenants, *, each=1, now=1.0):
    for tenant in tenants:
        letters.note(letters=each, records=each, now=now, tenant=tenant)


def test_most_tenants_failing_halts_and_only_letters_are_held_back():
    letters = limit(dlq_limit=5)
    letters.note(letters=0, records=1_000, now=1.0, tenant="well")
    fail(letters, "abc")
    with pytest.raises(Halted, match=r"3 of 4 active tenants fail.*DLQ_LIMIT"):
        fail(letters, "abc")
    assert letters.halted
    letters.note(letters=0, now=500.0, tenant="a")  # what is no dead letter may still end
    with pytest.raises(Halted):
        letters.note(letters=1, now=500.0, tenant="well")


@pytest.mark.parametrize("tenant", ["a", UNKNOWN])
def test_one_tenant_never_halts_however_many_its_letters(tenant):
    letters = limit()
    fail(letters, [tenant], each=10_000)
    fail(letters, [tenant] * 600)
    letters.note(letters=0, records=1, now=2.0, tenant="well")
    assert not letters.halted


def test_records_of_no_account_count_neither_as_failing_nor_as_active():
    letters = limit()
    for tenant in ("well", "fine"):
        letters.note(letters=0, now=1.0, tenant=tenant)
    fail(letters, ["a", "b", UNKNOWN], each=1_000)
    letters.note(letters=0, records=100_000, now=1.0)
    assert not letters.halted
    with pytest.raises(Halted, match="3 of 5 active tenants fail"):
        fail(letters, ["c"], each=1_000)


@pytest.mark.parametrize("others", [("b",), ("b", "c"), ("b", "c", "d", UNKNOWN)])
def test_one_tenant_with_many_letters_beside_others_with_one_does_not_halt(others):
    letters = limit()
    for _ in range(50):
        fail(letters, others[:4])  # 50 each: well below their part of the limit
        fail(letters, "a", each=1_000)
        letters.note(letters=0, records=1, now=1.0, tenant="well")
    assert not letters.halted


def test_tenants_that_work_outweigh_those_that_fail():
    letters = limit(dlq_limit=5)
    for tenant in ("well", "fine", "good"):
        letters.note(letters=0, now=1.0, tenant=tenant)
    fail(letters, "abc", each=100)
    assert not letters.halted
    with pytest.raises(Halted):
        fail(letters, "d")


def test_a_tenant_fails_when_most_of_its_records_do():
    letters = limit(dlq_limit=5)
    for tenant in "abc":
        letters.note(letters=50, records=100, now=1.0, tenant=tenant)
    with pytest.raises(Halted):
        fail(letters, "abc")


def test_what_is_older_than_a_minute_does_not_count():
    letters = limit(dlq_limit=5)
    for now in range(0, 6_000, 65):
        fail(letters, "abc", now=float(now))
    assert not letters.halted
    letters.note(letters=0, now=10_000.0, tenant="well")
    assert list(letters._totals) == ["well"]


def test_zero_means_no_limit():
    letters = limit(dlq_limit=0)
    fail(letters, "abcdef", each=1_000)


def test_where_there_is_one_tenant_its_failure_is_the_systems():
    letters = limit(dlq_limit=5, dlq_limit_tenants=1)
    fail(letters, "aaaaa")
    with pytest.raises(Halted):
        fail(letters, "a")


def test_a_probe_that_fails_halts_after_few_letters():
    letters = limit()
    with pytest.raises(Halted):
        fail(letters, "abc", each=200)
    letters.probe()
    assert not letters.halted
    fail(letters, "abc", each=3, now=100.0)
    with pytest.raises(Halted):
        fail(letters, "abc", now=130.0)


def test_a_probe_that_goes_well_for_a_minute_has_the_whole_limit_again():
    letters = limit()
    letters.probe()
    letters.note(letters=0, records=10, now=100.0, tenant="a")
    letters.note(letters=0, records=10, now=165.0, tenant="a")
    fail(letters, "abc", each=100, now=165.0)
    assert not letters.halted
    with pytest.raises(Halted):
        fail(letters, "abc", each=100, now=166.0)


def test_what_is_kept_is_bounded():
    letters = limit()
    for number in range(20_000):
        letters.note(letters=1, now=number / 1_000, tenant=f"bot-{number}") if number < 400 else letters.note(
            letters=0, now=number / 1_000, tenant=f"bot-{number}"
        )
    assert len(letters._totals) <= 1_001
    assert all(len(counts) <= 1_001 for _, counts in letters._buckets)


NOTES = st.tuples(st.sampled_from([*"abcde", UNKNOWN]), st.integers(0, 300), st.integers(0, 300), st.floats(0, 20))


@given(st.lists(NOTES, max_size=60), st.integers(1, 4))
def test_the_sums_are_those_of_the_last_minute_and_too_few_failing_tenants_never_halt(notes, least):
    letters = limit(dlq_limit=100, dlq_limit_tenants=least)
    now, seen = 0.0, []
    for tenant, good, bad, pause in notes:
        now += pause
        seen.append((now, tenant, good + bad, bad))
        try:
            letters.note(letters=bad, records=good + bad, now=now, tenant=tenant)
        except Halted:
            recent = [note for note in seen if note[0] > now - 65]
            failing = {t for _, t, _, _ in recent if sum(n[3] for n in recent if n[1] == t) > 0}
            assert len(failing - {UNKNOWN}) >= least
            return
    first = now - now % 5 - 55
    expected = {}
    for at, tenant, records, bad in seen:
        if at >= first:
            total = expected.setdefault(tenant, [0, 0])
            total[0] += records
            total[1] += bad
    assert letters._totals.items() >= {t: n for t, n in expected.items() if any(n)}.items()
    assert all(t in expected for t in letters._totals)
