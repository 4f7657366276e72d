"""Replicas as real processes: one pauses, one goes, one comes, and messages go through all the same."""

import asyncio
import io
import urllib.error
import urllib.request
import uuid
from email.message import Message

import pytest
from aiohttp import ClientSession

from testbed.client import Client, eventually, webhook_body
from testbed.plan import Choices
from testbed.system import System, answers

DATABASE = {"MONGODB_DATABASE": f"replicas_{uuid.uuid4().hex[:12]}"}
CHOICES = Choices(
    replicas={"ingress": 2, "sender": 3},
    idle=("sender-3",),
    gateway_seconds=2.0,
    extra={
        "conversation": DATABASE,
        "accounts": DATABASE,
        "sender": {**DATABASE, "KAFKA_SESSION_TIMEOUT_MS": "6000", "KAFKA_TRANSACTION_TIMEOUT_MS": "10000"},
    },
    emulator_options=("--retry-delays-ms", "0,200,500,1000"),
)
NUMBER = "106540352242424"


@pytest.fixture(scope="module")
def system():
    with System(choices=CHOICES) as system:
        yield system


async def replied(client, phone, wamid):
    async def found():
        received = await client.received(phone=phone)
        return [entry["body"]["context"]["message_id"] for entry in received].count(wamid) == 1

    await eventually(f"a reply to {phone}", found, seconds=30)


def test_a_service_that_refuses_is_not_ready_and_its_connection_is_closed(monkeypatch):
    body = io.BytesIO(b"not ready")
    refusal = urllib.error.HTTPError("http://127.0.0.1:1", 503, "Service Unavailable", Message(), body)

    def refuse(*_, **__):
        raise refusal  # held here, so that only closing it closes the body

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert not answers("http://127.0.0.1:1/ready")
    assert body.closed


@pytest.mark.e2e
async def test_messages_go_through_while_replicas_pause_and_are_scaled(system):
    async with ClientSession() as session:
        client = Client(session, system.urls, system.secret)
        await client.onboard("replicas", NUMBER)
        assert [name for name in system.names("sender") if system.alive(name)] == ["sender", "sender-2"]

        system.pause("ingress")
        assert system.alive("ingress")
        answers = [await client.deliver(webhook_body(NUMBER, f"wamid.p{n}", "hello", "4915990001")) for n in range(2)]
        assert sorted(status for status, _ in answers) == [200, 502]
        await replied(client, "4915990002", await client.says("4915990002", NUMBER, "while one is paused"))
        system.resume("ingress")
        await asyncio.to_thread(system.wait_ready, "ingress", 10.0)

        await asyncio.to_thread(system.spawn, "sender-3")
        await asyncio.to_thread(system.wait_ready, "sender-3", 30.0)
        for gone in ("sender", "sender-2"):
            await asyncio.to_thread(system.terminate, gone)
        assert [name for name in system.names("sender") if system.alive(name)] == ["sender-3"]
        await replied(client, "4915990003", await client.says("4915990003", NUMBER, "to the one that came"))
        system.pause("sender-3")

    # A paused process does not hold up the stop.
    await asyncio.to_thread(system.stop)
    assert not any(system.alive(name) for service in ("ingress", "sender", "gateway") for name in system.names(service))
    assert system.timings["stop"] < 12.0
