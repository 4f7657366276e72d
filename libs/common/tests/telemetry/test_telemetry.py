"""Metrics, traces and logs: what is said, and that it costs nothing when no exporter listens."""

import asyncio
import json
import logging
import re
import time

import pytest
from aiokafka import TopicPartition
from litestar import Litestar, get
from litestar.params import FromPath
from litestar.testing import AsyncTestClient
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from common.contracts import topics
from common.http.request_metrics import measured
from common.http.service.health import health_routes
from common.kafka.clients import make_producer
from common.kafka.dlq_depth import DeadLetterDepth
from common.kafka.metrics import GroupReadings, note_written
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings
from common.telemetry import metrics, spans
from common.telemetry.logs import JsonFormatter
from common.telemetry.settings import TelemetrySettings
from common.telemetry.tenants import Tenants
from common.telemetry.trace_context import enter, new_trace

JOURNAL_ID = "6f0cf0a5-40aa-5b8e-8a41-3f2a52c1d0aa"
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter():
    exporter = InMemorySpanExporter()
    spans.start("common", TelemetrySettings(trace_sample_ratio=1.0), exporter)
    yield exporter
    spans.stop()
    spans.follow(None)


def test_every_metric_keeps_prometheus_conventions():
    names = [metric.name for metric in metrics.ALL]
    assert len(set(names)) == len(names)
    for metric in metrics.ALL:
        assert re.fullmatch(r"whatsapp_[a-z0-9_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.about
        assert metric.services


def test_a_sampled_gauge_asks_until_its_reader_is_removed():
    remove = metrics.BREAKER_OPEN.add(lambda: [((), 1.0)])
    assert REGISTRY.get_sample_value("whatsapp_breaker_open") == 1.0
    remove()
    assert REGISTRY.get_sample_value("whatsapp_breaker_open") is None


def test_chatbots_above_the_bound_share_a_name():
    tenants = Tenants(2)
    assert [tenants.name(bot) for bot in ("a", "b", "c", "a")] == ["a", "b", "other", "a"]


async def test_metrics_and_request_times_are_read_where_health_is():
    @get("/things/{name:str}")
    async def thing(name: FromPath[str]) -> str:
        return name

    app = Litestar([thing, *health_routes({})], middleware=[measured], openapi_config=None)
    async with AsyncTestClient(app) as client:
        await client.get("/things/one")
        await client.get("/things/two")
        plain = (await client.get("/metrics")).text
        with_exemplars = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert 'whatsapp_http_request_seconds_count{method="GET",route="/things/{name}",status="200"} 2.0' in plain
    assert "/health/" not in plain
    assert with_exemplars.headers["content-type"].startswith("application/openmetrics-text")
    assert with_exemplars.text.endswith("# EOF\n")


def test_a_trace_goes_from_the_root_to_its_parts():
    root = new_trace("c1", sampled=True)
    part = root.child()
    assert root.parent_id is None
    assert (part.trace_id, part.parent_id) == (root.trace_id, root.span_id)
    assert part.sampled
    assert not new_trace("c1").sampled


def test_a_request_continues_the_trace_of_its_caller():
    mine = enter("c1", CALLER)
    assert (mine.trace_id, mine.parent_id, mine.sampled) == (CALLER[3:35], CALLER[36:52], True)
    assert enter("c1", "nonsense").parent_id is None


def test_a_span_says_what_happened_and_when(exporter):
    trace = enter("c1", CALLER)
    spans.record("work", trace, spans.SpanKind.CLIENT, 5, 9, {"a": 1}, failed="503", links=[new_trace("c2")])
    spans.stop()
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.start_time, span.end_time, dict(span.attributes)) == ("work", 5, 9, {"a": 1})
    assert f"{span.parent.span_id:016x}" == trace.parent_id
    assert span.status.description == "503"
    assert span.resource.attributes["service.name"] == "common"
    assert len(span.links) == 1


def test_a_tracestate_that_is_none_is_left_out_in_silence(exporter, caplog):
    spans.record("work", enter("c1", CALLER, "fake words of a customer"), spans.SpanKind.CLIENT, 5, 9)
    spans.stop()
    (span,) = exporter.get_finished_spans()
    assert not span.context.trace_state
    assert not caplog.records


@pytest.mark.parametrize("given", [f"{CALLER}\n", f"ff{CALLER[2:]}", f"{CALLER}-01", CALLER.upper(), "00-"])
def test_a_traceparent_that_is_none_begins_a_trace(given):
    trace = enter("c1", given)
    assert trace.trace_id != CALLER[3:35]
    assert trace.parent_id is None


def test_what_is_not_followed_makes_no_span(exporter):
    spans.record("work", new_trace("c1"), spans.SpanKind.CLIENT, 5, 9)
    spans.stop()
    assert not exporter.get_finished_spans()
    spans.record("late", new_trace("c1", sampled=True), spans.SpanKind.CLIENT, 5, 9)
    assert not spans.chosen()


def test_a_receiver_that_is_away_delays_the_end_by_seconds_at_most(caplog):
    spans.start("common", TelemetrySettings(otel_exporter_otlp_endpoint="http://127.0.0.1:9", trace_sample_ratio=1))
    spans.record("work", new_trace("c1", sampled=True), spans.SpanKind.CLIENT, 5, 9)
    began = time.monotonic()
    spans.stop()
    assert time.monotonic() - began < 10


class Hanging(SpanExporter):
    """A receiver that takes a connection and says nothing."""

    def export(self, _):
        time.sleep(0.2)
        return SpanExportResult.FAILURE


def test_a_receiver_that_hangs_does_so_too_however_much_is_left(monkeypatch):
    monkeypatch.setattr(spans, "_STOP_MILLIS", 500)
    spans.start("common", TelemetrySettings(trace_sample_ratio=1), Hanging())
    for _ in range(20_000):
        spans.record("work", new_trace("c1", sampled=True), spans.SpanKind.CLIENT, 5, 9)
    began = time.monotonic()
    spans.stop()
    assert time.monotonic() - began < 2


def test_a_receiver_that_stays_away_is_told_about_now_and_then(caplog):
    spans.start("common", TelemetrySettings(otel_exporter_otlp_endpoint="http://127.0.0.1:9", trace_sample_ratio=1))
    spans._complaints._next = 0
    exporter = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    for _ in range(5):
        exporter.error("Failed to export span batch")
    spans.stop()
    assert [record.message for record in caplog.records].count("Failed to export span batch") == 1


def test_records_that_were_written_are_spans_where_they_are_followed(exporter):
    followed = new_trace("c1", sampled=True).child()
    before = REGISTRY.get_sample_value("whatsapp_records_written_total", {"topic": "incoming-messages"}) or 0
    note_written(
        [Outgoing("incoming-messages", "k", b"v", trace=trace) for trace in (followed, new_trace("c2"), None)], 7
    )
    spans.stop()
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.start_time) == ("send incoming-messages", 7)
    assert f"{span.context.span_id:016x}" == followed.span_id
    assert REGISTRY.get_sample_value("whatsapp_records_written_total", {"topic": "incoming-messages"}) == before + 3


def test_logs_of_a_task_say_which_trace_it_follows():
    record = logging.makeLogRecord({"msg": "hello", "name": "x"})
    trace = new_trace("c1", sampled=True)
    spans.follow(trace)
    said = json.loads(JsonFormatter("common").format(record))
    spans.follow(None)
    assert (said["trace_id"], said["span_id"], said["correlation_id"]) == (trace.trace_id, trace.span_id, "c1")
    assert "trace_id" not in json.loads(JsonFormatter("common").format(record))


def test_a_group_says_how_far_behind_it_is():
    ours, gone = TopicPartition("t", 0), TopicPartition("t", 1)

    class Consumer:
        def assignment(self):
            return {ours}

        def highwater(self, tp):
            return {ours: 12}[tp]

    committed = {ours: 10, gone: 3}
    readings = GroupReadings(
        "fake-lag", consumer=Consumer, committed=lambda: committed, working=lambda: 2, idle_seconds=lambda: 2.5
    )
    readings.start()
    labels = {"group": "fake-lag", "topic": "t", "partition": "0"}
    try:
        assert REGISTRY.get_sample_value("whatsapp_consumer_lag_records", labels) == 2
        assert REGISTRY.get_sample_value("whatsapp_consumer_lag_records", {**labels, "partition": "1"}) is None
        assert REGISTRY.get_sample_value("whatsapp_consumer_partitions", {"group": "fake-lag"}) == 2
        assert REGISTRY.get_sample_value("whatsapp_consumer_idle_seconds", {"group": "fake-lag"}) == 2.5
        # The first halt is an increase only when there was a 0 before it.
        for reason in ("fenced", "error", "halted"):
            failures = {"group": "fake-lag", "reason": reason}
            assert REGISTRY.get_sample_value("whatsapp_session_failures_total", failures) == 0
    finally:
        readings.stop()
    assert REGISTRY.get_sample_value("whatsapp_consumer_partitions", {"group": "fake-lag"}) is None


@pytest.mark.integration
async def test_the_depth_of_a_dead_letter_topic_is_what_it_holds(kafka_bootstrap):
    settings = KafkaSettings(kafka_bootstrap_servers=kafka_bootstrap)
    depth = DeadLetterDepth(settings, topics.WEBHOOKS_DLQ.name, every_seconds=0.05)
    await depth.start()
    none = {"topic": topics.WEBHOOKS_DLQ.name, "reason": "", "chatbot_id": ""}
    assert REGISTRY.get_sample_value("whatsapp_dead_letters_total", none) == 0
    producer = make_producer(settings)
    await producer.start()

    async def until(more_than):
        async with asyncio.timeout(20):
            while True:
                found = REGISTRY.get_sample_value("whatsapp_dead_letter_records", {"topic": topics.WEBHOOKS_DLQ.name})
                if found is not None and found > more_than:
                    return found
                await asyncio.sleep(0.02)

    try:
        there = await until(-1)
        await producer.send_and_wait(topics.WEBHOOKS_DLQ.name, b"{}")
        assert await until(there) >= there + 1
    finally:
        await producer.stop()
        await depth.stop()
