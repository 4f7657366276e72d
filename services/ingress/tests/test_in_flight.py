"""How much may wait for Kafka, and how many large bodies are worked on at a time."""

import asyncio

import pytest

from common.errors import Unavailable
from common.security.signature import signature_of
from ingress.in_flight import InFlight
from ingress.routes import MAX_BODY_BYTES, PATH, WebhookRoute

SECRET = "fake-app-secret"
MESSAGES = b",".join([b'{"id":"w","from":"1"}'] * 500)
SMALL = b'{"entry":[{"id":"1","changes":[{"field":"messages","value":{"messages":[%s]}}]}]}' % MESSAGES


class Kafka:
    """A stand-in for the publisher, which confirms when `allow` is set."""

    def __init__(self):
        self.allow, self.waiting, self.most = asyncio.Event(), 0, 0

    async def publish(self, batch):
        size = sum(len(record.value) for record in batch)
        self.waiting += size
        self.most = max(self.most, self.waiting)
        await self.allow.wait()
        self.waiting -= size


async def post(route, body):
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    headers = [(b"x-hub-signature-256", signature_of(body, SECRET.encode()))]
    await route({"type": "http", "method": "POST", "path": PATH, "headers": headers}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize("body", [SMALL, b"\xff" * MAX_BODY_BYTES], ids=["small", "large"])
async def test_what_waits_for_kafka_is_bounded_and_the_rest_is_to_come_again(body):
    kafka = Kafka()
    route = WebhookRoute([SECRET], kafka.publish, None)
    route._small, route._large = InFlight(limit=20_000_000), InFlight(limit=20_000_000)
    posts = [asyncio.create_task(post(route, body)) for _ in range(150)]
    async with asyncio.timeout(30):
        while not any(task.done() for task in posts):
            await asyncio.sleep(0.01)
    kafka.allow.set()
    answers = await asyncio.gather(*posts)
    refused = [headers for status, headers in answers if status == 503]
    assert refused
    assert all(headers[b"retry-after"] == b"1" for headers in refused)
    assert {status for status, _ in answers} == {200, 503}
    assert kafka.most < 20_000_000 + 6_000_000
    assert (await post(route, body))[0] == 200  # there is room again


async def test_one_large_body_is_worked_on_at_a_time_and_others_wait_only_for_so_long():
    flight = InFlight(wait_seconds=0.05)
    async with flight.turn():
        with pytest.raises(Unavailable, match="large bodies"):
            async with flight.turn():
                pytest.fail("two at a time")
    async with flight.turn():
        pass


async def test_a_small_body_does_not_wait_behind_large_ones():
    small, large = Kafka(), Kafka()
    small.allow.set()
    route = WebhookRoute([SECRET], small.publish, None, large.publish)
    bodies = [asyncio.create_task(post(route, b"\xff" * MAX_BODY_BYTES)) for _ in range(20)]
    async with asyncio.timeout(30):
        while not any(task.done() for task in bodies):  # more than may wait: one is told to come again
            await asyncio.sleep(0.01)
        assert (await post(route, b"{}"))[0] == 200
    large.allow.set()
    assert {status for status, _ in await asyncio.gather(*bodies)} == {200, 503}
