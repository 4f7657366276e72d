"""Of records that are written together, one that is refused is not passed over."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from common.kafka.produce.batches import write_all
from common.kafka.records import Outgoing


class Producer:
    """Confirms each batch, other than those to the partitions in `refused`."""

    def __init__(self, refused=()):
        self.refused, self.sent = refused, []

    async def partitions_for(self, _topic):
        return {0, 1, 2}

    def batch_for(self, _topic):
        return SimpleNamespace(append=lambda **_: SimpleNamespace(), record_count=lambda: 1)

    async def send_batch(self, _batch, _topic, *, partition):
        self.sent.append(partition)
        confirmation = asyncio.get_running_loop().create_future()
        if partition in self.refused:
            confirmation.set_exception(MessageSizeTooLargeError())
        else:
            confirmation.set_result(None)
        return confirmation


RECORDS = [Outgoing("t", "k", b"1", partition=partition) for partition in (0, 1, 2)]


@pytest.mark.parametrize("refused", [{0}, {1}, {2}, {0, 1, 2}])
async def test_one_that_is_refused_fails_them_all(refused):
    producer = Producer(refused)
    with pytest.raises(KafkaError):
        await write_all(producer, RECORDS)
    assert producer.sent == [0, 1, 2]


async def test_where_none_is_refused_all_are_written():
    producer = Producer()
    await write_all(producer, RECORDS)
    assert producer.sent == [0, 1, 2]
