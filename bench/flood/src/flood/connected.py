"""What a measurement speaks to a running system with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer

from testbed.client import Client
from testbed.system import System


@asynccontextmanager
async def connected(system: System) -> AsyncIterator[tuple[Client, AIOKafkaProducer]]:
    """A client of the system's HTTP services and Meta's stand-in, and a producer of send requests."""
    async with (
        ClientSession() as session,
        AIOKafkaProducer(
            bootstrap_servers=system.stack.kafka_bootstrap_servers, enable_idempotence=True, linger_ms=2
        ) as producer,
    ):
        yield Client(session, system.urls, system.secret), producer
