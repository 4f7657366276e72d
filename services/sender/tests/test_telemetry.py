"""What the sender tells of sends."""

import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY
from pymongo.errors import AutoReconnect

from common.contracts.journal import State
from common.contracts.messages import MetaError
from common.contracts.sends import SendRequest
from common.meta.client import Answered, NotSent, Unclear
from common.telemetry import spans
from common.telemetry.mongo_lines import UNAVAILABLE
from common.telemetry.outages import Outage
from common.telemetry.settings import TelemetrySettings
from common.telemetry.tenants import Tenants
from sender import telemetry
from sender.delivery.payloads import payload
from sender.dispatch.lanes import Lanes
from sender.dispatch.model import Item
from sender.gauges import SenderGauges, WaitingCounts
from sender.limits.circuit_breaker import CircuitBreaker
from sender.limits.numbers import RateLimits
from sender.limits.rates import NumberRate
from sender.outcomes import Dead, Defer, InDoubt, Retry, Sent, StepResult
from sender.records.job import Position
from sender.records.parsing import read_record

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
REQUEST = {"chatbotId": "fake-bot", "to": "+491510000001", "message": "hush", "messageId": "m1"}
FOLLOWED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
UNFOLLOWED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}


def job_of(headers=UNFOLLOWED, **more):
    position = Position("whatsapp-cloud-send", 2, 17)
    return replace(read_record(position, json.dumps(REQUEST).encode(), headers, retried=False), **more)


@pytest.fixture
def exported():
    exporter = InMemorySpanExporter()
    spans.start("sender", TelemetrySettings(), exporter)

    def finished():
        spans.stop()
        return {span.name: span for span in exporter.get_finished_spans()}

    yield finished
    spans.stop()


def count(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("outcome", "name", "reason"),
    [
        (Sent("wamid.1"), "accepted", ""),
        (Dead(MetaError(code=131026)), "failed", "131026"),
        (Dead(MetaError(reason="window_closed")), "failed", "window_closed"),
        (Dead(MetaError(reason="expired"), state=State.EXPIRED), "expired", "expired"),
        (Retry(NOW, MetaError(code=131000), 1), "retry", "131000"),
        (Retry(NOW, MetaError(code=99_999_999), 1), "retry", "other"),
        (Defer(NOW, MetaError(reason="meta_unreachable")), "deferred", "meta_unreachable"),
        (InDoubt(NOW), "in_doubt", ""),
    ],
)
def test_every_outcome_is_counted_with_its_reason(outcome, name, reason):
    before = count("whatsapp_sends_total", outcome=name, reason=reason)
    telemetry.note_step(job_of(), StepResult(outcome, None, recorded=True), Tenants(5), "sender", 1)
    assert count("whatsapp_sends_total", outcome=name, reason=reason) == before + 1


def test_a_send_that_had_ended_before_is_not_counted_again():
    before = count("whatsapp_sends_total", outcome="accepted", reason="")
    telemetry.note_step(job_of(), StepResult(Sent("wamid.1"), None), Tenants(5), "sender", 1)
    assert count("whatsapp_sends_total", outcome="accepted", reason="") == before


def test_ends_are_counted_by_chatbot_up_to_a_bound():
    step = StepResult(Sent("wamid.1"), None, recorded=True)
    telemetry.note_step(job_of(chatbot_id="bot-a"), step, tenants := Tenants(1), "sender", 1)
    others = count("whatsapp_tenant_sends_total", chatbot_id="other", outcome="accepted")
    telemetry.note_step(job_of(chatbot_id="bot-b"), step, tenants, "sender", 1)
    assert count("whatsapp_tenant_sends_total", chatbot_id="bot-a", outcome="accepted") == 1
    assert count("whatsapp_tenant_sends_total", chatbot_id="other", outcome="accepted") == others + 1


def test_unforeseen_reasons_share_a_name_in_the_end():
    names = {telemetry.reason_of(MetaError(reason=f"invented-{number}")) for number in range(500)}
    assert len(names) <= 101
    assert "other" in names


@pytest.mark.parametrize(
    ("end", "name"),
    [(Answered(200, b"{}"), "answered"), (NotSent("refused"), "not_sent"), (Unclear("reset"), "unclear")],
)
def test_every_end_of_a_call_is_timed(end, name):
    before = count("whatsapp_graph_call_seconds_count", end=name)
    telemetry.GraphCall(job_of(), 1, held=False).ended(end, Sent("wamid.1"))
    assert count("whatsapp_graph_call_seconds_count", end=name) == before + 1


def test_the_lateness_of_a_retry_is_timed_and_that_of_what_was_deferred_is_not():
    before = count("whatsapp_retry_late_seconds_count")
    telemetry.GraphCall(job_of(due=NOW.timestamp()), 2, held=False)
    telemetry.GraphCall(job_of(due=NOW.timestamp()), 2, held=True)
    assert count("whatsapp_retry_late_seconds_count") == before + 1


def test_a_followed_send_is_a_span_with_its_claim_and_its_call_within(exported):
    job = job_of(FOLLOWED)
    telemetry.note_claim(job, 1)
    call = telemetry.GraphCall(job, 1, held=False)
    call.ended(Answered(200, b"{}"), Sent("wamid.1"))
    telemetry.note_step(job, StepResult(Sent("wamid.1"), None, recorded=True), Tenants(5), "sender", 1)
    found = exported()
    step = found["process whatsapp-cloud-send"]
    assert f"{step.parent.span_id:016x}" == "b7ad6b7169203331"
    assert found["mongodb journal"].parent.span_id == step.context.span_id
    meta = found["POST /{phone_number_id}/messages"]
    assert meta.parent.span_id == step.context.span_id
    assert meta.attributes["http.response.status_code"] == 200
    assert call.traceparent.split("-")[2] == f"{meta.context.span_id:016x}"
    said = repr([dict(span.attributes) for span in found.values()])
    assert not [word for word in ("hush", "491510000001") if word in said]


def test_callback_data_has_the_call_only_when_it_is_followed(exported, callbacks):
    request = SendRequest.model_validate(REQUEST)
    followed, unfollowed = (telemetry.GraphCall(job_of(h), 1, held=False) for h in (FOLLOWED, UNFOLLOWED))
    for call in (followed, unfollowed):
        body = json.loads(payload(request, callbacks.data_of("journal", "1065", call.traceparent)))
        assert body["biz_opaque_callback_data"].partition(";")[2] == (call.traceparent or "")
    assert unfollowed.traceparent is None
    assert followed.traceparent.endswith("-01")
    exported()


def test_lanes_say_what_is_ready_and_what_is_in_memory():
    lanes = Lanes()
    for number in range(3):
        lanes.arrivals.offer(Item(f"s{number}", f"lane{number % 2}", "bot", number, 0, None, number, None))
    assert lanes.take(1.0) is not None
    assert dict(lanes.memory.by_tenant()) == {"bot": 3}
    assert lanes.ready() == 1
    assert lanes.holds.refused_count(1.0) == 0
    lanes.hold("bot", 1.0, 1.0, 10.0)
    assert lanes.holds.refused_count(1.5) == 0  # it waits a little, as after 130429
    lanes.hold("bot", 2.5, 10.0, 10.0, refused=True)
    lanes.hold("bot", 2.6, 1.0, 10.0)  # a call that was under way: no refusal is forgotten for it
    assert lanes.holds.refused_count(3.0) == 1


async def test_a_chatbot_for_whom_nothing_waits_any_more_has_0_and_not_nothing():
    lanes = Lanes()
    for number in range(2):
        lanes.arrivals.offer(Item(f"w{number}", "lane-w", "bot-w", number, 0, None, number, None))
    worker = SimpleNamespace(
        sessions=[SimpleNamespace(lanes=lanes, state=SimpleNamespace(in_doubt={}, steps=set()), owns=lambda _: True)]
    )

    class NoPaces:
        def numbers(self):
            return []

    readings = SenderGauges(worker, NoPaces(), CircuitBreaker(), Tenants(5))
    await readings.start()
    try:
        assert REGISTRY.get_sample_value("whatsapp_tenant_waiting_sends", {"chatbot_id": "bot-w"}) == 2
        worker.sessions.clear()
        assert REGISTRY.get_sample_value("whatsapp_tenant_waiting_sends", {"chatbot_id": "bot-w"}) == 0
    finally:
        await readings.stop()


def test_a_bucket_says_how_many_may_go_at_once():
    pace = NumberRate(10.0)
    pace.count(5.0, 4)
    pace.reserve()
    assert pace.available(5.0) == 5
    assert pace.available(7.0) == 9


async def test_a_number_that_has_gone_to_another_process_is_not_told_of_here():
    """Its pace, which is not used here any more, would look like a full bucket beside the true one."""
    ours = {"stays", "goes"}
    session = SimpleNamespace(owns=ours.__contains__, lanes=Lanes(), state=SimpleNamespace(in_doubt={}, steps=set()))
    paces = RateLimits(lambda _: "standard", {"standard": 1.0}, rate=80.0, max_running=10)
    for chatbot_id in ours:
        paces.number(chatbot_id)
    readings = SenderGauges(SimpleNamespace(sessions=[session]), paces, CircuitBreaker(), Tenants(10))
    await readings.start()
    try:
        assert count("whatsapp_number_tokens", chatbot_id="goes") == 80
        ours.remove("goes")
        for name in ("whatsapp_number_tokens", "whatsapp_number_messages_per_second"):
            assert REGISTRY.get_sample_value(name, {"chatbot_id": "goes"}) is None
            assert REGISTRY.get_sample_value(name, {"chatbot_id": "stays"}) == 80
    finally:
        await readings.stop()


async def test_parked_sends_that_cannot_be_counted_are_a_warning_about_mongodb(caplog, monkeypatch):
    monkeypatch.setattr("common.mongo.compare_and_set.MONGODB", Outage("MongoDB"))

    async def away():
        raise AutoReconnect("closed")

    counts = WaitingCounts(defaultdict(lambda: SimpleNamespace(estimated_document_count=away)))
    await counts._look()
    (record,) = [record for record in caplog.records if record.name == "sender.gauges"]
    assert (record.levelname, record.error) == ("WARNING", UNAVAILABLE)
