"""A member of a group without a broker: its consumer has no records, and its producer writes nothing."""

from contextlib import asynccontextmanager

from aiokafka.structs import OffsetAndMetadata

from common.kafka.wire.membership import Membership


class IdleConsumer:
    """In the place of the driver's: every partition of `group` has this committed offset."""

    def __init__(self, group, committed=0):
        self._group = group
        self._committed = committed

    def membership(self):
        return Membership(self._group, 1, "member")

    async def confirm(self, _membership):
        pass

    async def offsets(self, tps, *, stable):  # noqa: ARG002  # as the consumer has it
        return {tp: OffsetAndMetadata(self._committed, "") for tp in tps}

    async def getmany(self, *_tps, **_limits):
        return {}

    def seek(self, _tp, _offset):
        pass

    def pause(self, *_tps):
        pass

    resume = pause


class IdleProducer:
    """In the place of the driver's."""

    async def start(self):
        pass

    stop = start

    async def end(self, _ids):
        pass

    @asynccontextmanager
    async def transaction(self):
        yield

    async def send_offsets_to_transaction(self, _offsets, _group):
        pass
