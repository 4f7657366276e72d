"""Every topic, declared once: its partitions, retention, key and owner.

Creation, tests and the documents read this module; brokers never create a topic by themselves. The four topics that
the sender reads have equal partition counts and one key (the chatbot id), so that partition *i* of all four belongs
to one sender process.
"""

from dataclasses import dataclass
from typing import Final

_DAY_MS: Final = 24 * 60 * 60 * 1000
_MIB: Final = 1024 * 1024
_AROUND_BYTES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `key` says in words what its records are keyed by; `owner` is who alone writes it."""

    name: str
    key: str
    owner: str
    purpose: str
    partitions: int = 12
    retention_ms: int = 7 * _DAY_MS
    compacted: bool = False
    max_message_bytes: int = 1 * _MIB
    for_others: bool = False
    """Programs of other teams read it, so its records are compressed in no other way than with gzip."""

    @property
    def max_value_bytes(self) -> int:
        """How large a record's value and key may be together; the rest is for its headers and the batch around it."""
        return self.max_message_bytes - _AROUND_BYTES

    @property
    def segment_ms(self) -> int:
        """How long a segment is written to, and so how much longer than `retention_ms` a record may stay, at most.

        Kafka removes whole segments, when their last record is old enough. Its default is seven days: with a little
        traffic, the first record of a segment would stay for two weeks.
        """
        return min(_DAY_MS, self.retention_ms)

    def config(self) -> dict[str, str]:
        """The topic's broker configuration, as Kafka names its entries."""
        entries = {"max.message.bytes": str(self.max_message_bytes)}
        if self.compacted:
            return {**entries, "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}
        kept = {"retention.ms": str(self.retention_ms), "segment.ms": str(self.segment_ms)}
        return {**entries, "cleanup.policy": "delete", **kept}


WEBHOOKS: Final = Topic(
    "whatsapp-cloud-webhooks",
    key="phone number id and contact, or the WhatsApp Business Account id",
    owner="ingress",
    purpose="One record per message, status or other change, with Meta's unmodified JSON and how it arrived.",
    # Meta sends bodies of up to 3 MB; one `history` change can fill one, and what is not JSON is kept as base64.
    max_message_bytes=5 * _MIB,
)
WEBHOOKS_DLQ: Final = Topic(
    "whatsapp-cloud-webhooks-dlq",
    key="as the source record",
    owner="conversation",
    purpose="Webhook and send-result records that cannot be applied, each with its reason.",
    retention_ms=30 * _DAY_MS,
    max_message_bytes=6 * _MIB,
)
INCOMING_MESSAGES: Final = Topic(
    "incoming-messages",
    key="conversation id",
    owner="conversation",
    purpose="Each customer message exactly once (read_committed), in the customer's order: what an AI consumes.",
    max_message_bytes=4 * _MIB,
    for_others=True,
)
MESSAGE_STATUS: Final = Topic(
    "message-status",
    key="conversation id",
    owner="conversation",
    purpose="What became of a send: accepted, sent, delivered, read, failed, in doubt.",
    for_others=True,
)
SEND: Final = Topic(
    "whatsapp-cloud-send",
    key="chatbot id",
    owner="any producer",
    purpose="Send requests: the same JSON as POST /whatsapp-cloud/send.",
)
SEND_RETRY_2S: Final = Topic(
    "whatsapp-cloud-send-retry-2s",
    key="chatbot id",
    owner="sender",
    purpose="Second attempts, due 2 s after a failure.",
)
SEND_RETRY_4S: Final = Topic(
    "whatsapp-cloud-send-retry-4s",
    key="chatbot id",
    owner="sender",
    purpose="Third attempts, due 4 s after a failure.",
)
SEND_RETRY_8S: Final = Topic(
    "whatsapp-cloud-send-retry-8s",
    key="chatbot id",
    owner="sender",
    purpose="Fourth attempts, due 8 s after a failure.",
)
SEND_DLQ: Final = Topic(
    "whatsapp-cloud-send-dlq",
    key="chatbot id",
    owner="sender",
    purpose="Send requests that ended without success after all attempts, or that cannot be understood.",
    retention_ms=30 * _DAY_MS,
    max_message_bytes=2 * _MIB,
)
SEND_RESULTS: Final = Topic(
    "whatsapp-cloud-send-results",
    key="phone number id and recipient",
    owner="sender",
    purpose="How each send ended or waits: accepted with its wamid, failed with a code, in doubt, expired.",
)
ACCOUNTS: Final = Topic(
    "whatsapp-cloud-accounts",
    key="chatbot id",
    owner="accounts",
    purpose="The present state of each account, without secrets.",
    partitions=1,
    compacted=True,
    for_others=True,
)
NUMBERS: Final = Topic(
    "whatsapp-cloud-numbers",
    key="phone number id, or the WhatsApp Business Account id",
    owner="conversation",
    purpose="What concerns the pace of a number: how much comes in, and that Meta has changed its limits.",
    partitions=1,
    retention_ms=60 * 60 * 1000,
)
INGRESS_REPORTS: Final = Topic(
    "whatsapp-cloud-ingress-reports",
    key="replica of ingress",
    owner="ingress",
    purpose="Whether each ingress takes Meta's webhooks, every two seconds: when it does not, no status can come.",
    partitions=1,
    retention_ms=60 * 60 * 1000,
)
DLQ_AUDIT: Final = Topic(
    "whatsapp-cloud-dlq-audit",
    key="position of the dead letter: topic/partition/offset",
    owner="operators",
    purpose="Each dead letter that was put back: by whom, when and why (`wa dlq replay`).",
    partitions=1,
    retention_ms=365 * _DAY_MS,
)

SEND_FAMILY: Final = (SEND, SEND_RETRY_2S, SEND_RETRY_4S, SEND_RETRY_8S)
"""Co-partitioned: a sender process that owns partition i of one owns it of all four."""

RETRIES: Final = ((SEND_RETRY_2S, 2_000), (SEND_RETRY_4S, 4_000), (SEND_RETRY_8S, 8_000))
"""Retry topic and its delay in ms, in the order of the attempts that failed."""

ALL: Final = (
    WEBHOOKS,
    WEBHOOKS_DLQ,
    INCOMING_MESSAGES,
    MESSAGE_STATUS,
    *SEND_FAMILY,
    SEND_DLQ,
    SEND_RESULTS,
    ACCOUNTS,
    NUMBERS,
    INGRESS_REPORTS,
    DLQ_AUDIT,
)
