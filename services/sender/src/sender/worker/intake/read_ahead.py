"""Records of tenants whose memory is full: they were read, and wait as they came. Synchronous, no IO.

Kafka gives a partition's records in order, so a quiet tenant's record stands behind all records of a flood. To judge a
record and to store its send costs far more than to read it. So the records of a tenant that has a backlog wait here,
and the records behind them are reached at once.
"""

from collections import Counter, deque
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec

from common.kafka.wire.unreadable import Unreadable

_OBJECTS: Final = 500
"""Bytes of the objects around a record's value and headers."""


class ReadAheadBudget:
    """How many bytes of records all sessions of a process may have read ahead: `most`. `used` is what they have."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0


class ReadAhead:
    """The records of one session that wait. `backlogs` has the tenants with a backlog.

    **Invariants:**
    - The records of a tenant leave in the order in which they came: while one of them waits here, all after it do.
    - A record whose tenant cannot be told from its value does not wait. It has no lane, so it may overtake.
    - Beyond the budget, only records that have to stay behind others are taken. `is_full` asks its reader to pause.
    """

    def __init__(self, budget: ReadAheadBudget, backlogs: Collection[str]) -> None:
        self._budget = budget
        self._backlogs = backlogs
        self._waiting: deque[tuple[str, int, Any]] = deque()
        self._by_tenant: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first(self) -> int | None:
        """The lowest offset that waits."""
        return self._waiting[0][2].offset if self._waiting else None

    @property
    def is_full(self) -> bool:
        """Whether to read on only when some of the records here have left."""
        return bool(self._waiting) and self._budget.used >= self._budget.most

    def takes(self, record: Any) -> bool:
        """Whether this record of the send topic waits here. If it does not, it has to be handed on now."""
        if not self._waiting and not self._backlogs:
            return False
        tenant = _tenant_of(record)
        if tenant not in self._by_tenant and (tenant not in self._backlogs or self._budget.used >= self._budget.most):
            return False
        size = _size(record)
        self._waiting.append((tenant, size, record))
        self._by_tenant[tenant] += 1
        self._budget.used += size
        return True

    def pop(self, count: int) -> Sequence[Any]:
        """The next records, in order. They have to be handed on before another record is read."""
        return [self._pop() for _ in range(min(count, len(self._waiting)))]

    def clear(self) -> None:
        """Forget all; Kafka still has them."""
        self.pop(len(self._waiting))

    def _pop(self) -> Any:
        tenant, size, record = self._waiting.popleft()
        self._budget.used -= size
        self._by_tenant[tenant] -= 1
        if not self._by_tenant[tenant]:
            del self._by_tenant[tenant]
        return record


class _Glance(msgspec.Struct, rename="camel"):
    """The one field that is needed. The rest of the JSON is skipped, which takes a hundredth of the time."""

    chatbot_id: str


_glance: Final = msgspec.json.Decoder(_Glance)


def _tenant_of(record: Any) -> str:
    """The chatbot that a record names; empty when it names none."""
    if isinstance(record, Unreadable):
        return ""
    try:
        return _glance.decode(record.value or b"").chatbot_id
    except (msgspec.DecodeError, RecursionError):
        return ""


def _size(record: Any) -> int:
    return _OBJECTS + len(record.value) + sum(len(name) + len(value or b"") for name, value in record.headers)
