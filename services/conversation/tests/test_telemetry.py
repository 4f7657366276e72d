"""What conversation tells of a batch."""

import time
from dataclasses import replace

import pytest
from conversation_builders import BOT, message, read, result, status
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from common.telemetry import spans
from common.telemetry.settings import TelemetrySettings
from common.telemetry.tenants import Tenants
from conversation.telemetry import BatchTelemetry, note_facts

FOLLOWED = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)
UNFOLLOWED = (("traceparent", b"00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203332-00"),)


@pytest.fixture
def exported():
    exporter = InMemorySpanExporter()
    spans.start("conversation", TelemetrySettings(), exporter)

    def finished():
        spans.stop()
        return exporter.get_finished_spans()

    yield finished
    spans.stop()


def count(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_followed_record_of_a_batch_has_a_span_with_the_transaction_within(exported):
    facts = [read(replace(message("wamid.1"), headers=FOLLOWED)), read(replace(message("wamid.2"), headers=UNFOLLOWED))]
    batch = BatchTelemetry("conversation", 2)
    batch.stored(facts, time.time_ns())
    batch.committed()
    transaction, process = exported()
    assert (process.name, transaction.name) == ("process whatsapp-cloud-webhooks", "mongodb transaction")
    assert f"{process.parent.span_id:016x}" == "b7ad6b7169203331"
    assert process.context.span_id == int(facts[0].trace.span_id, 16)
    assert transaction.parent.span_id == process.context.span_id
    assert process.attributes["messaging.batch.message_count"] == 2
    assert process.attributes["messaging.kafka.offset"] == int(facts[0].origin.split("/")[2])


def test_nothing_of_a_person_is_in_a_span(exported):
    batch = BatchTelemetry("conversation", 1)
    batch.stored([read(replace(message(text="hush"), headers=FOLLOWED))], time.time_ns())
    batch.committed()
    said = repr([(span.name, dict(span.attributes)) for span in exported()])
    assert not [word for word in ("hush", "491510000001", "DE.1001", "Ada") if word in said]


def test_an_event_is_timed_from_the_webhook_on():
    before = count("whatsapp_webhook_to_event_seconds_count")
    batch = BatchTelemetry("conversation", 2)
    batch.stored([read(message()), read(status("read"))], time.time_ns())
    batch.committed()
    assert count("whatsapp_webhook_to_event_seconds_count") == before + 1


def test_messages_are_counted_by_chatbot_up_to_a_bound():
    tenants, facts = Tenants(1), [read(record) for record in (message(), message("wamid.2"), result())]
    before = count("whatsapp_tenant_messages_total", chatbot_id="bot", direction="in")
    note_facts(facts, BOT, tenants)
    assert count("whatsapp_tenant_messages_total", chatbot_id="bot", direction="in") == before + 2
    note_facts(facts[:1], dict.fromkeys(BOT, "another"), tenants)
    assert count("whatsapp_tenant_messages_total", chatbot_id="another", direction="in") == 0
    assert count("whatsapp_tenant_messages_total", chatbot_id="other", direction="in") >= 1


def test_a_status_that_meta_does_not_document_has_no_label_of_its_own():
    before = count("whatsapp_delivery_statuses_total", status="other")
    note_facts([read(status("levitated"))], BOT, Tenants(1))
    assert count("whatsapp_delivery_statuses_total", status="other") == before + 1
    assert count("whatsapp_delivery_statuses_total", status="levitated") == 0
