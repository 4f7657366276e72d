"""What ingress reports of what it refused."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from common.contracts.accounts import ACTIVE, AccountData
from common.contracts.envelope import decode, decoder
from common.contracts.reports import IngressReport, Refusals, ReportData
from common.contracts.topics import INGRESS_REPORTS
from common.errors import Unavailable
from common.security.signature import signature_of
from common.telemetry.outages import Outage
from ingress.reports import reporter as reporter_module
from ingress.reports.refusals import CERTAIN_AFTER, MAX_NUMBERS, RefusedWebhooks, report
from ingress.reports.reporter import Reporter
from ingress.routes import WebhookRoute

ZERO = datetime(2026, 11, 1, tzinfo=UTC)
NUMBER, OTHER = "106540352242922", "106540352242999"


def at(seconds):
    return ZERO + timedelta(seconds=seconds)


def body(number=NUMBER):
    message = b'{"metadata":{"phone_number_id": "%s"},"messages":[{"id":"wamid.1","from":"3"}]}' % number.encode()
    return b'{"entry":[{"id":"1","changes":[{"field":"messages","value":%s}]}]}' % message


@pytest.fixture
def refused():
    made = RefusedWebhooks()
    made.account_changed("bot", AccountData(chatbot_id="bot", phone_number_id=NUMBER, status=ACTIVE, revision=1))
    return made


def test_a_signed_body_that_was_not_taken_is_told_once(refused):
    refused.note_signed(at(1))
    refused.note_signed(at(3))
    assert refused.take(at(4)) == (Refusals(since=at(1), last=at(3)),)
    assert refused.take(at(6)) == ()


def test_what_was_not_written_is_told_again(refused):
    refused.note_signed(at(1))
    refused.put_back(refused.take(at(2)))
    refused.note_signed(at(5))
    assert refused.take(at(6)) == (Refusals(since=at(1), last=at(1)), Refusals(since=at(5), last=at(5)))


def test_a_wrong_signature_becomes_certain_when_nothing_well_signed_comes(refused):
    refused.note_unsigned(body(), at(0))
    (first,) = refused.take(at(2))
    refused.note_unsigned(body(), at(9))
    (second,) = refused.take(at(0) + CERTAIN_AFTER)
    assert first == Refusals(since=at(0), last=at(0), phone_number_id=NUMBER, certain=False)
    assert second == Refusals(since=at(0), last=at(9), phone_number_id=NUMBER)


def test_a_well_signed_body_of_the_number_says_that_it_was_a_forgery(refused):
    refused.note_unsigned(body(), at(0))
    refused.note_taken([f"{NUMBER}:p:49151"], at(9))
    assert refused.take(at(10)) == ()
    assert not refused.doubted


def test_another_numbers_body_says_nothing_of_this_one(refused):
    refused.note_unsigned(body(), at(0))
    refused.note_taken([f"{OTHER}:p:49151", NUMBER + "7"], at(1))
    assert [one.phone_number_id for one in refused.take(at(2))] == [NUMBER]


def test_when_the_secret_is_right_again_its_outage_is_told_to_its_end_and_the_next_is_another(refused):
    refused.note_unsigned(body(), at(0))
    refused.note_unsigned(body(), at(40))
    refused.note_taken([NUMBER], at(50))
    assert refused.take(at(51)) == (Refusals(since=at(0), last=at(40), phone_number_id=NUMBER),)
    refused.note_unsigned(body(), at(60))
    assert [one.since for one in refused.take(at(61))] == [at(60)]


def test_very_many_numbers_are_told_as_all(refused):
    for place in range(MAX_NUMBERS):
        number = str(10**14 + place)
        account = AccountData(chatbot_id=number, phone_number_id=number, status=ACTIVE, revision=1)
        refused.account_changed(number, account)
        refused.note_unsigned(body(number), at(place / 1000))
    assert len(refused.take(at(2))) == MAX_NUMBERS
    refused.note_unsigned(body(), at(20))
    assert refused.take(at(21)) == (Refusals(since=at(0), last=at(20), certain=True),)
    assert len(report(ReportData(replica="r", refusals=refused.take(at(22))), at(22)).value) < 1_000


def test_what_names_no_number_of_ours_counts_for_nothing(refused):
    for one in (b"", b"\xff", body(OTHER), b"[" * 1000, b'{"phone_number_id":{"' + NUMBER.encode() + b'":1}}'):
        refused.note_unsigned(one, at(0))
    assert refused.take(at(1)) == ()


def test_a_number_that_moves_to_another_account_stays_ours(refused):
    account = AccountData(chatbot_id="heir", phone_number_id=NUMBER, status=ACTIVE, revision=1)
    refused.account_changed("heir", account)
    refused.account_changed("bot", None)
    refused.note_unsigned(body(), at(0))
    assert len(refused.take(at(1))) == 1


def test_a_number_without_an_account_is_none_of_ours_any_more(refused):
    refused.account_changed("bot", None)
    refused.note_unsigned(body(), at(0))
    assert refused.take(at(1)) == ()


def test_an_outage_that_is_not_reported_again_is_over(refused):
    refused.note_unsigned(body(), at(0))
    assert [one.last for one in refused.take(at(60))] == [at(0)]
    assert [one.certain for one in refused.take(at(3600))] == [True]
    assert refused.take(at(3602)) == ()


def test_a_report_says_what_it_is_given():
    data = ReportData(replica="r", refusals=(Refusals(since=at(1), last=at(2)),))
    made = report(data, at(3))
    event = decode(decoder(IngressReport), made.value)
    assert (made.topic, made.key, event.recorded_at, event.data) == (INGRESS_REPORTS.name, "r", at(3), data)


async def test_a_report_that_fails_loses_no_refusal_and_the_last_one_says_goodbye(refused):
    told, fails = [], [True]

    async def publish(records):
        if fails and fails.pop():
            raise Unavailable("Kafka is away", code="kafka_unavailable")
        told.extend(decode(decoder(IngressReport), record.value).data for record in records)

    refused.note_signed(at(1))
    reporter = Reporter(refused, publish, takes=True, every_seconds=0.001)
    await reporter.start()
    while not told:
        await asyncio.sleep(0.001)
    await reporter.stop()
    assert told[0].refusals == (Refusals(since=at(1), last=at(1)),)
    assert [one.leaving for one in told] == [False] * (len(told) - 1) + [True]
    assert len({one.replica for one in told}) == 1


async def test_an_outage_of_kafka_is_one_line_however_often_a_report_fails(refused, monkeypatch, caplog):
    monkeypatch.setattr(reporter_module, "KAFKA", Outage("Kafka"))
    failed = []

    async def publish(records):
        failed.append(records)
        raise Unavailable("Kafka is away", code="kafka_unavailable")

    reporter = Reporter(refused, publish, takes=True, every_seconds=0.001)
    await reporter.start()
    while len(failed) < 5:
        await asyncio.sleep(0.001)
    await reporter.stop()
    assert [record.getMessage() for record in caplog.records if record.name == "ingress.reports.reporter"] == [
        "could not write the report for the sender"
    ]


async def answer(route, content, signature):
    """What the route says to one POST: the status."""
    sent = []
    headers = [(b"x-hub-signature-256", signature), (b"content-length", str(len(content)).encode())]

    async def receive():
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(event):
        sent.append(event)

    await route({"method": "POST", "headers": headers}, receive, send)
    return sent[0]["status"]


@pytest.mark.parametrize("error", [Unavailable("away", code="kafka_unavailable"), RuntimeError("a mistake")])
async def test_the_route_tells_what_it_does_not_take(refused, error):
    failing = [error]

    async def publish(_records):
        if failing:
            raise failing[0]

    route = WebhookRoute(["fake-secret"], publish, None, refused=refused)
    assert await answer(route, body(), signature_of(body(), b"fake-wrong")) == 400
    assert list(refused.doubted) == [NUMBER]
    assert await answer(route, body(), signature_of(body(), b"fake-secret")) in (500, 503)
    assert [one.phone_number_id for one in refused.take(datetime.now(UTC))] == [None, NUMBER]
    failing.clear()
    assert await answer(route, body(), signature_of(body(), b"fake-secret")) == 200
    assert refused.take(datetime.now(UTC)) == ()
