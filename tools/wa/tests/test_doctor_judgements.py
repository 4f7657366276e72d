"""What the doctor makes of what it has seen: each ailment is named, and comes with a remedy."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from common.contracts import topics
from common.http.auth import ApiKey
from common.kafka.admin import Described
from common.mongo.index_plan import Standing
from wa.doctor.findings import Level, ok, problem, table, warning
from wa.doctor.judge import (
    judge_clock,
    judge_copy_wait,
    judge_hello,
    judge_indexes,
    judge_internal_key,
    judge_members,
    judge_ready,
    judge_token,
    judge_version,
)
from wa.doctor.judge_topics import judge_topics

NOW = datetime(2026, 11, 1, tzinfo=UTC)
WELL = {
    topic.name: Described(
        topic.partitions, copies=3, led=True, max_message_bytes=topic.max_message_bytes, min_in_sync=2
    )
    for topic in topics.ALL
}


def changed(topic, **changes):
    return {**WELL, topic.name: replace(WELL[topic.name], **changes)}


def test_topics_as_declared_are_well():
    (finding,) = judge_topics(WELL)
    assert finding.level is Level.OK


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ({name: it for name, it in WELL.items() if name != topics.SEND.name}, f"missing: {topics.SEND.name}"),
        (changed(topics.SEND_RETRY_4S, partitions=6), "the same number"),
        (changed(topics.ACCOUNTS, partitions=3), "exactly 1"),
        (changed(topics.WEBHOOKS, led=False), "without a leader"),
        (changed(topics.WEBHOOKS, max_message_bytes=1_048_588), "1,048,588 bytes"),
        (changed(topics.ACCOUNTS, compacted=False), "forgets accounts"),
        (changed(topics.SEND, compacted=True), "loses what has the same key"),
    ],
)
def test_what_is_wrong_with_topics_is_named_with_a_remedy(there, says):
    (found,) = [finding for finding in judge_topics(there) if finding.level is Level.PROBLEM]
    assert says in found.says
    assert found.fix


def test_a_setting_that_stops_no_service_is_a_warning():
    week = 7 * 24 * 60 * 60 * 1000
    stays = [{"retention_ms": week, "segment_ms": week}, {"retention_ms": -1, "segment_ms": 1}]
    hasty = {"retention_ms": 60_000, "segment_ms": 60_000}
    alone = {"copies": 1, "min_in_sync": 1}
    unseen = {"max_message_bytes": None, "min_in_sync": None}
    for change in (alone, {"partitions": 3}, {"min_in_sync": 1}, hasty, unseen, *stays):
        (found,) = judge_topics(changed(topics.WEBHOOKS, **change))
        assert found.level is Level.WARNING
        assert topics.WEBHOOKS.name in found.says
        assert found.fix


def test_a_topic_may_keep_records_for_less_time_than_declared():
    for days in (1, 3):
        shorter = changed(topics.WEBHOOKS, retention_ms=days * 86_400_000, segment_ms=60_000)
        assert [finding.level for finding in judge_topics(shorter)] == [Level.OK]
    # Those that are declared with an hour, or keep each key, have no day.
    hour = changed(topics.NUMBERS, retention_ms=topics.NUMBERS.retention_ms, segment_ms=60_000)
    assert [finding.level for finding in judge_topics(hour)] == [Level.OK]
    kept = changed(topics.ACCOUNTS, retention_ms=60_000, segment_ms=60_000, compacted=True)
    assert [finding.level for finding in judge_topics(kept)] == [Level.OK]


@pytest.mark.parametrize(("copies", "in_sync", "set_to"), [(1, 2, 1), (2, 3, 1), (3, 4, 2)])
def test_a_topic_that_can_take_no_record_is_a_problem(copies, in_sync, set_to):
    there = judge_topics(changed(topics.SEND, copies=copies, min_in_sync=in_sync))
    (found,) = [finding for finding in there if finding.level is Level.PROBLEM]
    assert f"on {in_sync} brokers" in found.says
    assert found.fix.endswith(f"to {set_to}")


def test_what_all_topics_have_is_one_finding():
    (found,) = judge_topics({name: replace(one, copies=1, min_in_sync=1) for name, one in WELL.items()})
    assert f"and {len(WELL) - 3} more" in found.says


@pytest.mark.parametrize(
    ("hello", "level"),
    [
        ({"setName": "rs0", "isWritablePrimary": True, "hosts": ["a", "b", "c"]}, Level.OK),
        ({"msg": "isdbgrid", "isWritablePrimary": True}, Level.OK),
        ({"setName": "rs0", "isWritablePrimary": True, "hosts": ["a"]}, Level.WARNING),
        ({"setName": "rs0", "isWritablePrimary": False, "hosts": ["a", "b", "c"]}, Level.PROBLEM),
        ({"isWritablePrimary": True}, Level.PROBLEM),
    ],
)
def test_mongodb_has_to_be_a_replica_set_with_a_primary(hello, level):
    assert judge_hello(hello).level is level


@pytest.mark.parametrize(
    ("inspected", "level", "says"),
    [
        ({"is_valid": True, "expires_at": 0}, Level.OK, "valid"),
        ({"is_valid": False}, Level.PROBLEM, "not valid"),
        ({"is_valid": False, "expires_at": int(NOW.timestamp()) - 1}, Level.PROBLEM, "expired on 2026-10-31"),
        ({"is_valid": True, "expires_at": int(NOW.timestamp()) + 86_400}, Level.WARNING, "expires on 2026-11-02"),
        ({"is_valid": True, "scopes": ["email"]}, Level.PROBLEM, "permission"),
        ({}, Level.PROBLEM, "not valid"),
    ],
)
def test_tokens(inspected, level, says):
    found = judge_token("bot", inspected, NOW)
    assert (found.level, says in found.says) == (level, True)


def test_a_member_that_does_not_answer_is_a_warning():
    hosts = ["db1:27017", "DB2:27017", "[::1]:27017"]
    assert judge_members(hosts, {("db1", 27017), ("db2", 27017), ("::1", 27017)}) == []
    (found,) = judge_members(hosts, {("db1", 27017)})
    assert found.level is Level.WARNING
    assert "no answer from DB2:27017, [::1]:27017:" in found.says


def test_an_old_mongodb_and_clocks_that_differ():
    assert judge_version("8.0.4").level is Level.OK
    assert judge_version("5.0.9").level is Level.PROBLEM
    assert judge_clock(NOW + timedelta(seconds=1), NOW).level is Level.OK
    assert "90 s apart" in judge_clock(NOW - timedelta(seconds=90), NOW).says


@pytest.mark.parametrize(("seconds", "members", "warned"), [(5, 3, True), (2, 2, True), (1, 3, False), (5, 1, False)])
def test_a_secondary_that_waits_long_for_a_silent_primary_is_a_warning(seconds, members, warned):
    found = judge_copy_wait(seconds, members)
    assert [one.level for one in found] == [Level.WARNING] * warned
    assert all("oplogNetworkTimeoutBufferSeconds=1" in one.fix for one in found)


def test_indexes():
    assert judge_indexes({"messages": {"wamid": Standing.AS_DECLARED}})[0].level is Level.OK
    wrong, missing = judge_indexes({"messages": {"wamid": Standing.OTHER, "thread": Standing.MISSING}})
    assert (wrong.level, "messages.wamid" in wrong.says) == (Level.PROBLEM, True)
    assert (missing.level, "messages.thread" in missing.says) == (Level.WARNING, True)


@pytest.mark.parametrize(
    ("scope", "key", "level"),
    [("credentials", "k1", Level.OK), ("windows", "k1", Level.PROBLEM), ("credentials", "k2", Level.PROBLEM)],
)
def test_the_senders_key_has_to_be_one_that_is_accepted(scope, key, level):
    accepted = [ApiKey(name="sender", sha256=hashlib.sha256(b"k1").hexdigest(), scopes={"credentials"})]
    assert judge_internal_key("ACCOUNTS_INTERNAL_KEY", key, scope, accepted).level is level


def test_a_service_that_is_not_ready_names_what_fails():
    assert judge_ready("http://a", 200, {"kafka": True}).level is Level.OK
    assert judge_ready("http://a", 503, {"kafka": False, "mongo": True}).says == "not ready: kafka"


def test_the_table_is_read_at_a_glance():
    assert table([ok("kafka", "answers"), warning("a", "b", "c"), problem("mongodb", "away", "start it")]) == [
        "ok       kafka    answers",
        "WARNING  a        b",
        "                  → c",
        "PROBLEM  mongodb  away",
        "                  → start it",
        "1 problems, 1 warnings, 1 ok",
    ]
