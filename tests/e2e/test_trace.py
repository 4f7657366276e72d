"""One trace of one exchange, through every process: from the webhook to Meta and back with the statuses."""

import asyncio
import json
import uuid
from collections import Counter

import pytest
from aiohttp import ClientSession

from otlp_receiver.app import running_receiver
from testbed.client import Client, eventually
from testbed.plan import SERVICES, Choices
from testbed.system import System

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

NUMBER, CHATBOT, PHONE, NAME, WORDS = "106540352299999", "traced-bot", "491577000001", "Ada", "Where is my parcel?"
QUICKLY = ("--delivered-after-ms", "30", "--read-after-ms", "60")

# Each hop under the one that caused it, as (service, name).
CHAIN = [
    ("ingress", "POST /whatsapp-cloud/webhook"),
    ("ingress", "send whatsapp-cloud-webhooks"),
    ("conversation", "process whatsapp-cloud-webhooks"),
    ("conversation", "send incoming-messages"),
    ("ai_responder", "process incoming-messages"),
    ("ai_responder", "send whatsapp-cloud-send"),
    ("sender", "process whatsapp-cloud-send"),
]
FROM_THE_SENDER = {
    ("sender", "mongodb journal"): [],
    ("sender", "send whatsapp-cloud-send-results"): [
        ("conversation", "process whatsapp-cloud-send-results"),
        ("conversation", "send message-status"),
    ],
    ("sender", "POST /{phone_number_id}/messages"): [
        ("ingress", "POST /whatsapp-cloud/webhook"),
        ("ingress", "send whatsapp-cloud-webhooks"),
        ("conversation", "process whatsapp-cloud-webhooks"),
        ("conversation", "send message-status"),
    ],
}


def choices(endpoint):
    followed = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "TRACE_SAMPLE_RATIO": "1"}
    extra = {name: {**followed, "MONGODB_DATABASE": f"trace_{uuid.uuid4().hex[:8]}"} for name in SERVICES}
    return Choices(extra={**extra, "ai_responder": followed}, emulator_options=QUICKLY)


async def exchange(system):
    """One message of a customer; its reply is read in the end."""
    async with ClientSession() as session:
        client = Client(session, system.urls, system.secret)
        await client.onboard(CHATBOT, NUMBER)
        await client.says(PHONE, NUMBER, WORDS, NAME)

        async def read():
            received = await client.received(phone=PHONE)
            message = await client.message(received[0]) if received else None
            return message is not None and message.get("deliveryStatus") == "read"

        await eventually("the reply is read", read)


def under(spans, parent, path):
    """Every span at the end of `path`, each step a child of the one before."""
    found = [parent]
    for service, name in path:
        found = [
            span
            for above in found
            for span in spans
            if (span.parent_id, span.service, span.name) == (above.span_id, service, name)
        ]
    return found


async def test_one_trace_has_every_hop_from_the_webhook_to_the_last_status():
    async with running_receiver() as receiver:
        system = System(choices=choices(receiver.base_url))
        await asyncio.to_thread(system.__enter__)
        try:
            await exchange(system)
            traces = receiver.traces

            async def whole():
                return any(
                    Counter(span.name for span in traces.spans(trace))["send message-status"] >= 4
                    for trace in traces.ids()
                )

            await eventually("accepted, sent, delivered and read are in the trace", whole)
        finally:
            await asyncio.to_thread(system.__exit__, None, None, None)
        (trace_id,) = traces.ids()  # statuses began none of their own
        spans = traces.spans(trace_id)

    (root,) = [span for span in spans if not span.parent_id]
    assert (root.service, root.name, root.kind) == (*CHAIN[0], "server")
    (step,) = under(spans, root, CHAIN[1:])
    for hop, then in FROM_THE_SENDER.items():
        (first,) = under(spans, step, [hop])
        told = len(under(spans, first, then))
        # A status that came before its result is told once more, by the result.
        assert told == 3 if hop[1].startswith("POST") else 1 <= told <= 4  # sent, delivered, read
    applied = [span for span in spans if span.service == "conversation" and span.name.startswith("process")]
    assert all(under(spans, span, [("conversation", "mongodb transaction")]) for span in applied)
    ids = {span.span_id for span in spans}
    assert not [span.name for span in spans if span.parent_id and span.parent_id not in ids]
    assert not [span.name for span in spans if span.failed]
    said = json.dumps([span.as_json() for span in spans])
    assert not [secret for secret in (PHONE, NAME, WORDS, "parcel") if secret in said]


async def test_a_receiver_that_is_away_changes_nothing():
    system = System(choices=choices("http://127.0.0.1:9"))
    await asyncio.to_thread(system.__enter__)
    try:
        await exchange(system)
    finally:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.to_thread(system.__exit__, None, None, None)
    assert loop.time() - began < 60
    assert system.timings["stop"] < 45
