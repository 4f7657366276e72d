"""Patch: a top-level error of OffsetFetch is an error, not "no offsets committed".

Since version 2 of OffsetFetch (KIP-88) an answer may be an error as a whole and list no partitions: NOT_COORDINATOR,
for a moment after a broker has come back or a group has moved. aiokafka 0.14 looks at the partitions alone, takes that
for a group that has never committed, and begins at the start of the topic. With the patch it asks again.
"""

from typing import Any

from aiokafka.consumer import consumer as aiokafka_consumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import NotCoordinatorForGroupError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest


class HeedingCoordinator(GroupCoordinator):  # type: ignore[misc]  # aiokafka ships no type information
    """Raises the error of an answer as a whole; after one that passes, `fetch_committed_offsets` tries again."""

    async def _send_req(self, request: Any) -> Any:
        response = await super()._send_req(request)
        if isinstance(request, OffsetFetchRequest) and (code := getattr(response, "error_code", 0)):
            error = for_code(code)
            if error is NotCoordinatorForGroupError:
                self.coordinator_dead()
            raise error
        return response


def patch_offset_fetch() -> None:
    """Patch every consumer that is started from now on."""
    aiokafka_consumer.GroupCoordinator = HeedingCoordinator
