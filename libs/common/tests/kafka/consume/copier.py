"""A process that copies records from one topic to another with a `PartitionGroup`, to be killed, stopped and replaced.

    python copier.py BOOTSTRAP GROUP SOURCE TARGET [--trap]

It prints `ready PARTITIONS` when it works. With `--trap` it prints `trapped` and hangs: at a record `before-offsets` when
the record is written and its offset is not, at a record `before-end` when both are, and at a record `while-ending` when
the end of the transaction has been sent. After three seconds it goes on.
"""

import argparse
import asyncio
import sys
from functools import partial

from aiokafka import AIOKafkaProducer

from common.kafka.clients import make_group_consumer, make_transactional_producer
from common.kafka.consume.partition_group import PartitionGroup
from common.kafka.records import Outgoing
from common.kafka.settings import KafkaSettings

SESSION_MS, TRANSACTION_MS = 6_000, 10_000
STEPS = 30  # of 0.1 s, for which it hangs


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def trap(name, *, begun=False):
    """Make the next call of this method of producers wait, in steps: of those a stopped process has some left.

    `begun`: its work has begun before.
    """
    method = getattr(AIOKafkaProducer, name)

    async def waits(producer, *args):
        setattr(AIOKafkaProducer, name, method)
        calling = asyncio.ensure_future(method(producer, *args)) if begun else None
        await asyncio.sleep(0.1)
        say("trapped")
        for _ in range(STEPS):
            await asyncio.sleep(0.1)
        return await (calling or method(producer, *args))

    setattr(AIOKafkaProducer, name, waits)


def trapped_at(values):
    """Make the next transaction hang where these values say."""
    if b"before-offsets" in values:
        trap("send_offsets_to_transaction")
    if b"before-end" in values:
        trap("commit_transaction")
    if b"while-ending" in values:
        trap("commit_transaction", begun=True)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("group")
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--trap", action="store_true")
    given = parser.parse_args()
    settings = KafkaSettings(
        kafka_bootstrap_servers=given.bootstrap,
        kafka_session_timeout_ms=SESSION_MS,
        kafka_transaction_timeout_ms=TRANSACTION_MS,
    )

    async def worker(session):
        while not session.stopping.is_set():
            for tp, records in (await session.fetch(max_records=20, timeout_ms=200)).items():
                if given.trap:
                    trapped_at([record.value for record in records])
                out = [Outgoing(given.target, record.key.decode(), record.value) for record in records]
                await session.commit(out, {tp: records[-1].offset + 1})

    group = PartitionGroup(
        group=given.group,
        topics=[given.source],
        make_consumer=partial(make_group_consumer, settings),
        make_producer=partial(make_transactional_producer, settings),
        worker=worker,
    )
    await group.start()
    told = None
    while True:
        now = len(group.assignment) if group.ready else 0
        if now != told:
            told = now
            say(f"ready {now}")
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main())
