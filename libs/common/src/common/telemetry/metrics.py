"""Every metric there is: its name, its labels and what it says, in one list (`ALL`).

Counters and histograms are kept by Prometheus' own client, whose registry is the process's, and read at `/metrics`.
What has a value at any moment (a lag, what waits) is a `Sampled` gauge, which asks for it at each reading.

`METRICS=off` counts nothing: to measure what counting costs (`make bench-telemetry`).

A counter's child starts at 1, which Prometheus does not count as an increase. Where the first time matters already (a
dead letter, a halt), the child, or one beside it in the same sum, is made at the start.

Label values are few and known before: our own words, Meta's documented codes, our topics. Chatbots are the exception,
and bounded (`tenant`). Names follow Prometheus' conventions: base units (seconds, bytes), `_total` on counters.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, Literal, Self, cast

from prometheus_client import REGISTRY, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]  # when each began would be as many series again

OTHER: Final = "other"
"""The value of a label for all values that have no series of their own."""

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_COUNTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

_ON: Final = os.environ.get("METRICS", "on") != "off"

Values = Iterable[tuple[Sequence[str], float]]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as Prometheus sees it. `services` are those that have it."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    about: str
    labels: tuple[str, ...]
    services: tuple[str, ...]


ALL: Final[list[Metric]] = []


class Sampled(Collector):
    """A gauge that asks its sources at each reading: every one that was added and not removed."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._reads: list[Callable[[], Values]] = []

    def add(self, read: Callable[[], Values]) -> Callable[[], None]:
        """Ask `read` from now on, which gives (label values, value) pairs. What is returned ends that."""
        self._reads.append(read)
        return lambda: self._reads.remove(read)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """What Prometheus' registry asks."""
        family = GaugeMetricFamily(self._metric.name, self._metric.about, labels=self._metric.labels)
        for read in self._reads:
            for labels, value in read():
                family.add_metric(labels, value)
        yield family


class _Nothing:
    """A counter or histogram that does not count."""

    def labels(self, *_values: str) -> Self:
        return self

    def inc(self, _amount: float = 1) -> None: ...

    def observe(self, _amount: float, _exemplar: object = None) -> None: ...

    def time(self) -> AbstractContextManager[None]:
        return nullcontext()


_EVERY: Final = ("ingress", "conversation", "sender", "accounts")


def _counter(name: str, about: str, *labels: str, of: Sequence[str] = _EVERY) -> Counter:
    ALL.append(Metric(f"{name}_total", "counter", about, labels, tuple(of)))
    return Counter(name, about, labels) if _ON else cast("Counter", _Nothing())


def _histogram(
    name: str, about: str, *labels: str, of: Sequence[str] = _EVERY, buckets: Sequence[float] = _SECONDS
) -> Histogram:
    ALL.append(Metric(name, "histogram", about, labels, tuple(of)))
    return Histogram(name, about, labels, buckets=buckets) if _ON else cast("Histogram", _Nothing())


def _gauge(name: str, about: str, *labels: str, of: Sequence[str] = _EVERY) -> Sampled:
    metric = Metric(name, "gauge", about, labels, tuple(of))
    ALL.append(metric)
    sampled = Sampled(metric)
    REGISTRY.register(sampled)
    return sampled


_INGRESS: Final = ("ingress",)
_CONVERSATION: Final = ("conversation",)
_SENDER: Final = ("sender",)
_ACCOUNTS: Final = ("accounts",)
_CONSUMERS: Final = ("conversation", "sender")

# Kafka
RECORDS_READ = _counter("whatsapp_records_read", "records consumed, by topic", "topic", of=_CONSUMERS)
RECORDS_WRITTEN = _counter("whatsapp_records_written", "records confirmed by Kafka, by topic", "topic")
PUBLISH_FAILURES = _counter(
    "whatsapp_publish_failures", "calls whose records Kafka did not confirm in time (the caller got an error)"
)
TRANSACTION_SECONDS = _histogram(
    "whatsapp_kafka_transaction_seconds", "a Kafka transaction with events and offsets", "group", of=_CONSUMERS
)
SESSION_FAILURES = _counter(
    "whatsapp_session_failures",
    "work on a partition that began again from the committed offsets: reason `fenced`, `error` or `halted`",
    "group",
    "reason",
    of=_CONSUMERS,
)
CONSUMER_LAG = _gauge(
    "whatsapp_consumer_lag_records",
    "records of an assigned partition that this process has not committed yet (a transaction's end counts as one)",
    "group",
    "topic",
    "partition",
    of=_CONSUMERS,
)
CONSUMER_PARTITIONS = _gauge(
    "whatsapp_consumer_partitions", "partitions that this process works on", "group", of=_CONSUMERS
)
CONSUMER_IDLE_SECONDS = _gauge(
    "whatsapp_consumer_idle_seconds", "seconds since this process last fetched or committed", "group", of=_CONSUMERS
)
CONSUMER_HALTED = _gauge(
    "whatsapp_consumer_halted",
    "1 while this process has left the group because most tenants fail (too many dead letters), and 0 otherwise",
    "group",
    of=_CONSUMERS,
)
DEAD_LETTERS = _counter(
    "whatsapp_dead_letters",
    "records put into a dead-letter topic, by reason and chatbot (`unknown`: of no account that exists)",
    "topic",
    "reason",
    "chatbot_id",
    of=_CONSUMERS,
)
RETENTION_AGE = _gauge(
    "whatsapp_retention_age_seconds",
    "seconds since the last run of any process ended that removes what has been kept long enough",
    of=("conversation",),
)
RETENTION_REMOVED = _counter(
    "whatsapp_retention_removed",
    "documents that were removed because they had been kept long enough, by collection",
    "collection",
    of=("conversation",),
)
DEAD_LETTER_RECORDS = _gauge(
    "whatsapp_dead_letter_records",
    "records in a dead-letter topic (an upper bound: the end of each transaction counts as one)",
    "topic",
    of=_CONSUMERS,
)

# MongoDB and HTTP
MONGO_SECONDS = _histogram(
    "whatsapp_mongodb_seconds",
    "a write or read of a whole batch: operation `apply` (conversation), `journal` or `load` (sender)",
    "operation",
    of=_CONSUMERS,
)
MONGODB_LOST_SECONDS = _gauge(
    "whatsapp_mongodb_primary_lost_seconds",
    "for how long this process has known no primary of MongoDB; 0 while it knows one",
    of=("conversation", "sender", "accounts"),
)
SECONDARY_READS = _counter(
    "whatsapp_mongodb_secondary_reads",
    "secondaries' answers to listings that the primary did not answer in time: outcome `shown`, `too_old` or `failed`",
    "outcome",
    of=_CONVERSATION,
)
HTTP_SECONDS = _histogram(
    "whatsapp_http_request_seconds",
    "requests to the API, by route as OpenAPI has it, method and status",
    "route",
    "method",
    "status",
)
HTTP_REFUSED = _counter(
    "whatsapp_http_refused",
    "requests and connections that the guard of a listener ended, by reason (docs/operations.md has the reasons)",
    "reason",
)

# ingress
WEBHOOKS = _counter(
    "whatsapp_webhooks",
    "webhook POSTs: outcome `taken`, `invalid_signature`, `too_large`, `unavailable` or `failed`",
    "outcome",
    of=_INGRESS,
)
WEBHOOK_SECONDS = _histogram(
    "whatsapp_webhook_seconds",
    "time from a signed webhook's last byte to its answer, Kafka's confirmation included",
    of=_INGRESS,
)
WEBHOOK_FACTS = _counter(
    "whatsapp_webhook_facts",
    "facts in webhooks: kind `webhook.message`, `webhook.status`, `webhook.change` or `webhook.unparsed`",
    "kind",
    of=_INGRESS,
)

# conversation
BATCH_RECORDS = _histogram(
    "whatsapp_batch_records",
    "records applied in one MongoDB transaction",
    of=_CONVERSATION,
    buckets=(*_COUNTS, 2000, 5000),
)
WEBHOOK_TO_EVENT_SECONDS = _histogram(
    "whatsapp_webhook_to_event_seconds",
    "time from ingress taking a customer's message to the commit of its `incoming-messages` event",
    of=_CONVERSATION,
)
DELIVERY_STATUSES = _counter(
    "whatsapp_delivery_statuses", "Meta's statuses of outbound messages, by status", "status", of=_CONVERSATION
)
TENANT_MESSAGES = _counter(
    "whatsapp_tenant_messages",
    "messages by chatbot: direction `in` (from customers) or `out` (results of sends); a record that is read again"
    " counts again",
    "chatbot_id",
    "direction",
    of=_CONVERSATION,
)

# sender
SENDS = _counter(
    "whatsapp_sends",
    "how steps of sends ended: outcome `accepted`, `failed`, `expired`, `cancelled`, `in_doubt`, `retry` or"
    " `deferred`; `reason` is ours, or Meta's code",
    "outcome",
    "reason",
    of=_SENDER,
)
SEND_SECONDS = _histogram(
    "whatsapp_send_seconds", "time from the request's record on whatsapp-cloud-send until Meta took it", of=_SENDER
)
GRAPH_CALL_SECONDS = _histogram(
    "whatsapp_graph_call_seconds",
    "calls to Meta's Graph API: end `answered`, `not_sent` or `unclear`",
    "end",
    of=_SENDER,
)
GRAPH_ANSWERS = _counter(
    "whatsapp_graph_answers",
    "answers of Meta's Graph API to sends, by error code (`0xx` style codes as Meta has them; `ok` without one)",
    "code",
    of=_SENDER,
)
RETRY_LATE_SECONDS = _histogram(
    "whatsapp_retry_late_seconds",
    "how late a retry was called after its due time; without those that waited while Meta was away",
    of=_SENDER,
)
SENDS_WAITING = _gauge(
    "whatsapp_sends_waiting",
    "sends in memory: state `in_flight`, `ready`, `blocked` (for a retry or behind one) or `in_doubt`",
    "state",
    of=_SENDER,
)
SENDS_PARKED = _gauge(
    "whatsapp_sends_parked", "sends that wait in MongoDB: kind `parked` or `scheduled`", "kind", of=_SENDER
)
BREAKER_OPEN = _gauge(
    "whatsapp_breaker_open", "1 while Meta is considered away and only probes are sent, else 0", of=_SENDER
)
NUMBERS_HELD = _gauge(
    "whatsapp_numbers_held",
    "numbers whose sends wait because Meta refuses their token, their account or themselves",
    of=_SENDER,
)
NUMBER_RATE = _gauge(
    "whatsapp_number_messages_per_second",
    "messages per second that a chatbot's number may send now",
    "chatbot_id",
    of=_SENDER,
)
NUMBER_TOKENS = _gauge(
    "whatsapp_number_tokens", "sends that a number may make at once (its token bucket)", "chatbot_id", of=_SENDER
)
TENANT_SENDS = _counter(
    "whatsapp_tenant_sends",
    "ended sends by chatbot; outcomes as in whatsapp_sends",
    "chatbot_id",
    "outcome",
    of=_SENDER,
)
TENANT_WAITING = _gauge(
    "whatsapp_tenant_waiting_sends", "sends in memory that have not ended, by chatbot", "chatbot_id", of=_SENDER
)

# accounts
ACCOUNT_CHANGES = _counter("whatsapp_account_changes", "changes of accounts that were published to Kafka", of=_ACCOUNTS)
CREDENTIALS_HANDED = _counter(
    "whatsapp_credentials_requests", "requests for an account's token, by the account's status", "status", of=_ACCOUNTS
)
TOKENS_REFUSED = _counter(
    "whatsapp_access_tokens_refused", "accounts whose access token Meta has refused, as sender reports it", of=_ACCOUNTS
)
