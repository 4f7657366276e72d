"""A limit on dead letters: a systemic failure must stop, and not drain a topic into the dead-letter queue.

A consumer reports every record that it has finished, and its tenant. Bad records of one tenant are that tenant's
affair: they become dead letters, however many they are. When most tenants fail at the same time, the cause is here (a
bad release, a lost dependency): the consumer halts before it writes the next letter, leaves its group, and tries again
later with a probe (`partition_group.PartitionGroup`). Sentry's arroyo has such limits, with the same
reason.

**Systemic** means, within one minute, all of:

- at least `DLQ_LIMIT_TENANTS` tenants fail, and more than half of the tenants that are active. A tenant fails when more
  than `DLQ_LIMIT_SHARE` of its records became dead letters;
- the letters of the failing tenants are more than `DLQ_LIMIT`. Of one tenant at most its part counts
  (`DLQ_LIMIT` / `DLQ_LIMIT_TENANTS`), so one tenant with many letters beside others with one does not suffice.

Only accounts that exist are tenants. All other records are of one pseudo tenant, `UNKNOWN`, which counts neither as
failing nor as active: ids that a client invents halt nothing.
"""

from collections import deque
from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import BaseSettings

from common.kafka.consume.partition_session import Halted
from common.telemetry.tenants import UNKNOWN

_WINDOW_SECONDS: Final = 60.0
_BUCKET_SECONDS: Final = 5.0
_MOST_TENANTS: Final = 1_000
_PROBE_LETTERS: Final = 10


class DeadLetterSettings(BaseSettings):
    """The limit, from `DLQ_*` environment variables."""

    dlq_limit: Annotated[
        int,
        Field(ge=0, description="dead letters in a minute that halt a consumer when most tenants fail; 0: never"),
    ] = 500
    dlq_limit_share: Annotated[
        float, Field(ge=0, le=1, description="a tenant fails when a larger share of its records are dead letters")
    ] = 0.5
    dlq_limit_tenants: Annotated[
        int, Field(ge=1, description="tenants that must fail for a halt; 1 where there is only one tenant")
    ] = 3


class DeadLetterLimit:
    """Counts for one process. Synchronous; times are seconds of one clock.

    It keeps at most 1,000 tenants of the last minute apart; those that come after them count as `UNKNOWN`.
    """

    def __init__(self, settings: DeadLetterSettings) -> None:
        self._settings = settings
        self._limit = settings.dlq_limit
        self._halted = False
        self._probe_began: float | None = None
        self._probing = False
        self._buckets: deque[tuple[float, dict[str, list[int]]]] = deque()
        self._totals: dict[str, list[int]] = {}  # tenant → [records, letters]
        self._failing: set[str] = set()

    @property
    def halted(self) -> bool:
        """Whether the limit was passed, and no probe has begun since."""
        return self._halted

    def probe(self) -> None:
        """Start counting again after a halt. For a minute 10 letters are enough to halt again; the other rules stay."""
        self._halted, self._probing, self._probe_began = False, True, None
        self._buckets.clear()
        self._totals.clear()
        self._failing.clear()

    def note(self, *, letters: int, now: float, records: int = 1, tenant: str = UNKNOWN) -> None:
        """So many records of a tenant are about to be finished, `letters` of them as dead letters. Raises `Halted`."""
        if not self._limit:
            return
        if not self._halted:
            self._count(tenant, records, letters, now)
            self._halted = letters > 0 and self._is_systemic()
        if self._halted and letters:
            raise Halted(
                f"{len(self._failing - {UNKNOWN})} of {len(self._totals.keys() - {UNKNOWN})} active tenants fail: most"
                " of their records of the last minute are dead letters. Look at them with `wa dlq list` and fix the"
                " cause; the consumer tries again by itself (DLQ_LIMIT raises the limit)"
            )

    def _count(self, tenant: str, records: int, letters: int, now: float) -> None:
        begin = now - now % _BUCKET_SECONDS
        if not self._buckets or self._buckets[-1][0] < begin:
            self._forget(begin)
            self._end_probe(now)
            self._buckets.append((begin, {}))
        if tenant not in self._totals and len(self._totals) >= _MOST_TENANTS:
            tenant = UNKNOWN
        for counts in (self._totals, self._buckets[-1][1]):
            count = counts.setdefault(tenant, [0, 0])
            count[0] += records
            count[1] += letters
        self._judge(tenant)

    def _forget(self, begin: float) -> None:
        while self._buckets and self._buckets[0][0] <= begin - _WINDOW_SECONDS:
            for tenant, (records, letters) in self._buckets.popleft()[1].items():
                total = self._totals[tenant]
                total[0] -= records
                total[1] -= letters
                if not total[0] and not total[1]:
                    del self._totals[tenant]
                self._judge(tenant)

    def _end_probe(self, now: float) -> None:
        if not self._probing:
            return
        if self._probe_began is None:
            self._probe_began = now
        self._probing = now < self._probe_began + _WINDOW_SECONDS

    def _judge(self, tenant: str) -> None:
        records, letters = self._totals.get(tenant, (0, 0))
        if letters and letters > self._settings.dlq_limit_share * records:
            self._failing.add(tenant)
        else:
            self._failing.discard(tenant)

    def _is_systemic(self) -> bool:
        least = self._settings.dlq_limit_tenants
        failing = self._failing - {UNKNOWN}
        if len(failing) < least or 2 * len(failing) <= len(self._totals.keys() - {UNKNOWN}):
            return False
        limit = min(self._limit, _PROBE_LETTERS) if self._probing else self._limit
        part = limit // least + 1
        return sum(min(self._totals[tenant][1], part) for tenant in failing) > limit
