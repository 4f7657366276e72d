"""What ingress tells of webhooks: counts, times, and exported in the right trace."""

import base64
import time

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from common.errors import Unavailable
from common.kafka.metrics import note_written
from common.security.callbacks import CallbackSettings
from common.security.signature import signature_of
from common.telemetry import spans
from common.telemetry.settings import TelemetrySettings
from ingress.routes import PATH, WebhookRoute

SECRET = "fake-app-secret"
CALL = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
JOURNAL_ID = "6f0cf0a5-40aa-5b8e-8a41-3f2a52c1d0aa"
MESSAGE = b'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"2"},"messages":[{"id":"wamid.FAKE-1","from":"15550001111","timestamp":"1793525400","text":{"body":"hush"}}]}}]}]}'
CALLBACKS = CallbackSettings(callback_keys={"test": base64.b64encode(b"c" * 32).decode()}).callbacks()
STATUS = b'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"2"},"statuses":[{"id":"wamid.FAKE-2","status":"sent","recipient_id":"15550001111","timestamp":"1793525400","biz_opaque_callback_data":"%s"}]}}]}]}'


@pytest.fixture
def exported():
    exporter = InMemorySpanExporter()
    spans.start("ingress", TelemetrySettings(trace_sample_ratio=1.0), exporter)

    def finished():
        spans.stop()
        return {span.name: span for span in exporter.get_finished_spans()}

    yield finished
    spans.stop()


async def deliver(body, publish=None, *, secret=SECRET):
    async def confirmed(records):
        note_written(records, time.time_ns())

    answered = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        answered.append(message)

    headers = [(b"x-hub-signature-256", signature_of(body, secret.encode()))]
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers}
    await WebhookRoute([SECRET], publish or confirmed, None)(scope, receive, send)
    return answered[0]["status"]


def count(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [(None, 200, "taken"), (Unavailable("fake"), 503, "unavailable"), (RuntimeError("fake"), 500, "failed")],
)
async def test_every_end_of_a_request_is_counted(error, status, outcome):
    async def publish(_records):
        if error is not None:
            raise error

    before, timed = count("whatsapp_webhooks_total", outcome=outcome), count("whatsapp_webhook_seconds_count")
    assert await deliver(MESSAGE, publish) == status
    assert count("whatsapp_webhooks_total", outcome=outcome) == before + 1
    assert count("whatsapp_webhook_seconds_count") == timed + 1


async def test_a_wrong_signature_is_counted():
    before = count("whatsapp_webhooks_total", outcome="invalid_signature")
    assert await deliver(MESSAGE, secret="another") == 400
    assert count("whatsapp_webhooks_total", outcome="invalid_signature") == before + 1


async def test_a_message_begins_a_trace_of_two_spans(exported):
    published = []

    async def publish(records):
        published.extend(records)
        note_written(records, time.time_ns())

    await deliver(MESSAGE, publish)
    found = exported()
    request, sent = found["POST /whatsapp-cloud/webhook"], found["send whatsapp-cloud-webhooks"]
    assert request.parent is None
    assert sent.parent.span_id == request.context.span_id
    header = dict(published[0].headers)["traceparent"].decode()
    assert header == f"00-{sent.context.trace_id:032x}-{sent.context.span_id:016x}-01"
    said = repr([dict(span.attributes) for span in found.values()])
    assert "15550001111" not in said
    assert "hush" not in said


async def test_a_status_continues_the_trace_of_the_call_that_sent_its_message(exported):
    await deliver(STATUS % CALLBACKS.data_of(JOURNAL_ID, "2", CALL).encode())
    found = exported()
    request, sent = found["POST /whatsapp-cloud/webhook"], found["send whatsapp-cloud-webhooks"]
    assert f"{request.context.trace_id:032x}-{request.parent.span_id:016x}" == CALL[3:52]
    assert sent.parent.span_id == request.context.span_id


async def test_what_is_not_chosen_makes_no_spans():
    exporter = InMemorySpanExporter()
    spans.start("ingress", TelemetrySettings(trace_sample_ratio=0.0), exporter)
    await deliver(MESSAGE)
    spans.stop()
    assert not exporter.get_finished_spans()
