"""What is counted of records, and what a consumer group can say of itself when Prometheus asks."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from common.kafka.records import Outgoing
from common.telemetry import metrics, spans
from common.telemetry.spans import SpanKind

FAILURES: Final = ("fenced", "error", "halted")
"""Why work on a partition begins again."""

_SENDING: Final = {"messaging.system": "kafka", "messaging.operation.type": "send"}


class _ByTopic(dict[str, Any]):
    """A counter's children by topic, looked up once each: `labels` costs more than the counting."""

    def __init__(self, counter: Any) -> None:
        super().__init__()
        self._counter = counter

    def __missing__(self, topic: str) -> Any:
        child = self[topic] = self._counter.labels(topic)
        return child


_READ: Final = _ByTopic(metrics.RECORDS_READ)
_WRITTEN: Final = _ByTopic(metrics.RECORDS_WRITTEN)


def note_read(records: Mapping[TopicPartition, Sequence[Any]]) -> None:
    """These came from Kafka."""
    for tp, batch in records.items():
        _READ[tp.topic].inc(len(batch))


def note_written(records: Sequence[Outgoing], began_ns: int) -> None:
    """Kafka has confirmed these, which were begun at `began_ns` (since 1970); those that are followed become spans."""
    if len(records) == 1:
        _WRITTEN[records[0].topic].inc()
    else:
        for topic, count in Counter(record.topic for record in records).items():
            _WRITTEN[topic].inc(count)
    if spans.active():
        now = time.time_ns()
        for record in records:
            if record.trace is not None and record.trace.sampled:
                about = {**_SENDING, "messaging.destination.name": record.topic}
                spans.record(f"send {record.topic}", record.trace, SpanKind.PRODUCER, began_ns, now, about)


class GroupReadings:
    """The gauges of one consumer group, from `start` to `stop`.

    `committed` gives, by partition that is ours, the offset up to which everything is finished; `working` how many
    partitions are worked on now, `halted` whether the group's member here is away because of a halt.
    """

    def __init__(
        self,
        group: str,
        *,
        consumer: Callable[[], AIOKafkaConsumer | None],
        committed: Callable[[], Mapping[TopicPartition, int]],
        working: Callable[[], int],
        idle_seconds: Callable[[], float],
        halted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._group = group
        self._consumer = consumer
        self._committed = committed
        self._working = working
        self._idle_seconds = idle_seconds
        self._halted = halted
        self._removes: list[Callable[[], None]] = []

    def start(self) -> None:
        """Add the gauges."""
        for reason in FAILURES:
            metrics.SESSION_FAILURES.labels(self._group, reason)
        self._removes = [
            metrics.CONSUMER_LAG.add(self._lags),
            metrics.CONSUMER_PARTITIONS.add(lambda: [((self._group,), self._working())]),
            metrics.CONSUMER_IDLE_SECONDS.add(lambda: [((self._group,), self._idle_seconds())]),
            metrics.CONSUMER_HALTED.add(lambda: [((self._group,), float(self._halted()))]),
        ]

    def stop(self) -> None:
        """Remove the gauges."""
        for remove in self._removes:
            remove()
        self._removes = []

    def _lags(self) -> Iterable[tuple[tuple[str, str, str], float]]:
        consumer = self._consumer()
        if consumer is None:
            return
        ours = consumer.assignment()
        for tp, committed in self._committed().items():
            end = consumer.highwater(tp) if tp in ours else None  # as the last fetch had it
            if end is not None:
                yield (self._group, tp.topic, str(tp.partition)), max(0, end - committed)
