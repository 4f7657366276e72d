"""Every collection, declared once: its owner, its indexes, how long documents stay, and whether people are in it.

Owners create their indexes from here, `wa indexes` and the operations page read it, and `wa erase` refuses to call
its work done while the database has a collection that is not declared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from common.contracts.accounts import ACTIVE

ASCENDING: Final = 1
DESCENDING: Final = -1


_PACKED: Final = "block_compressor=zstd"


def _engine(config: str) -> dict[str, Any]:
    return {"wiredTiger": {"configString": config}}


@dataclass(frozen=True, slots=True)
class Index:
    """One index. `only` limits it to the documents that match; after `expire_after` documents go by themselves."""

    name: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    sparse: bool = False
    only: Mapping[str, Any] | None = None
    expire_after: timedelta | None = None

    def options(self) -> dict[str, Any]:
        """As MongoDB names them; its answer about an index that is there has the same."""
        chosen: dict[str, Any] = {"unique": self.unique, "sparse": self.sparse, "partialFilterExpression": self.only}
        if self.expire_after is not None:
            chosen["expireAfterSeconds"] = int(self.expire_after.total_seconds())
        return {name: value for name, value in chosen.items() if value is not None and value is not False}


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection. `owner` alone writes it; `people` says that persons are in it, `kept` how long, in words."""

    name: str
    owner: str
    purpose: str
    kept: str
    people: bool
    indexes: tuple[Index, ...] = ()
    retired: tuple[str, ...] = ()
    """Names of indexes that earlier versions declared; they are dropped once the declared ones are there."""
    written_once: bool = False
    """Documents are hardly changed or read again, so larger pages of them cost nothing, and take less."""

    def storage(self) -> dict[str, Any]:
        """The options with which the collection is created, as MongoDB names them (docs/decisions/0049).

        They count from its creation on, and for every index that it ever has.
        """
        documents = f"{_PACKED},leaf_page_max=64KB" if self.written_once else _PACKED
        return {"storageEngine": _engine(documents), "indexOptionDefaults": {"storageEngine": _engine(_PACKED)}}


ACCOUNTS: Final = Collection(
    "whatsapp_cloud_accounts",
    owner="accounts",
    purpose="Who may send with which number; the secrets are sealed.",
    kept="for good",
    people=False,
    indexes=(
        # A number may move to another chatbot once the first is deactivated, never belong to two.
        Index("one_active_account_per_number", (("phoneNumberId", ASCENDING),), unique=True, only={"status": ACTIVE}),
        Index("unpublished", (("unpublished", ASCENDING),), only={"unpublished": True}),
    ),
)
CONVERSATIONS: Final = Collection(
    "conversations",
    owner="conversation",
    purpose="One per account, business number and contact, with all aliases of the contact.",
    kept="`CONVERSATIONS_DAYS` (730 days) after its last message, and while it has messages",
    people=True,
    indexes=(
        # A number that goes from one account to another takes none of its conversations along.
        Index(
            "aliases_of_account",
            (("aliases", ASCENDING), ("chatbotId", ASCENDING)),
            unique=True,
            only={"aliases": {"$exists": True}},
        ),
        # Hardly any conversation has absorbed a large one whose messages have yet to follow.
        Index("absorbing", (("absorbs", ASCENDING),), only={"absorbs": {"$exists": True}}),
        Index("inbox", (("chatbotId", ASCENDING), ("lastMessageAt", DESCENDING), ("_id", DESCENDING))),
    ),
    retired=("aliases",),
)
MESSAGES: Final = Collection(
    "messages",
    owner="conversation",
    purpose="Every message, in and out, with the history of its status.",
    kept="`MESSAGES_DAYS` (365 days)",
    people=True,
    indexes=(
        # Not unique: what is named on one number must not keep a message of another from being stored.
        Index("by_wamid", (("wamid", ASCENDING),), only={"wamid": {"$exists": True}}),
        # The status first: what one chatbot, or all, have in it is found without looking at the others.
        Index(
            "by_status",
            (
                ("deliveryStatus", ASCENDING),
                ("chatbotId", ASCENDING),
                ("statusAt", DESCENDING),
                ("_id", DESCENDING),
            ),
            only={"deliveryStatus": {"$exists": True}},
        ),
        # Of a send that Meta took twice after all; hardly any message has one.
        Index("by_other_wamid", (("otherWamids", ASCENDING),), only={"otherWamids": {"$exists": True}}),
        # `place` is the order of arrival, because Meta's times are whole seconds.
        Index(
            "thread_by_place",
            (
                ("conversationId", ASCENDING),
                ("timestamp", DESCENDING),
                ("place", DESCENDING),
                ("_id", DESCENDING),
            ),
        ),
    ),
    retired=("wamid", "thread"),
)
WEBHOOK_EVENTS: Final = Collection(
    "webhook_events",
    owner="conversation",
    purpose="The log of what Meta has told, repetitions too.",
    kept="`WEBHOOK_LOG_DAYS` (30 days)",
    people=True,
    written_once=True,
    indexes=(
        Index("kept", (("receivedAt", DESCENDING),), expire_after=timedelta(days=30)),
        # Of the listing. An index that removes documents has one field, and many events are of one time.
        Index("by_time", (("receivedAt", DESCENDING), ("_id", DESCENDING))),
    ),
)
USAGE_LOGS: Final = Collection(
    "usage_logs",
    owner="conversation",
    purpose="One per send that Meta accepted, and per price that it told: for accounting.",
    kept="`USAGE_LOG_DAYS` (180 days); the counters stay",
    people=True,
    written_once=True,
    indexes=(Index("by_time", (("chatbotId", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING))),),
    retired=("by_day",),
)
USAGE_DAYS: Final = Collection(
    "usage_days",
    owner="conversation",
    purpose="How many entries the usage log has, by chatbot, day, kind and category: for the summary.",
    kept="for good",
    people=False,
    indexes=(Index("by_day", (("chatbotId", ASCENDING), ("day", ASCENDING))),),
)
PARTITION_OWNERS: Final = Collection(
    "partition_owners",
    owner="conversation",
    purpose="Under which session the owner of a partition writes.",
    kept="while it is owned",
    people=False,
)
STORED_FORMS: Final = Collection(
    "stored_forms",
    owner="conversation, sender",
    purpose="From when on documents are written in a newer form, which earlier versions do not know.",
    kept="for good",
    people=False,
)
JOBS: Final = Collection(
    "jobs",
    owner="conversation",
    purpose="Background jobs: which process does one now, and when it was done.",
    kept="for good",
    people=False,
)
SEND_JOURNAL: Final = Collection(
    "send_journal",
    owner="sender",
    purpose="One per send, written before Meta is called: why a message id is sent at most once.",
    kept="`SENDER_JOURNAL_DAYS` (30 days) after the end of the send",
    people=True,
    indexes=(
        # By the end itself, so that a change of the days counts at once. A send under way has no `expireAt`: it is not
        # in the index, and need not leave it again.
        Index("ended_at", (("at", ASCENDING),), only={"expireAt": {"$exists": True}}, expire_after=timedelta(days=30)),
        # Of templates that were refused because the person has stopped marketing messages; hardly any send is.
        Index(
            "opted_out",
            (("optedOut", ASCENDING), ("optedOutAt", ASCENDING)),
            only={"optedOut": {"$exists": True}},
        ),
    ),
    retired=("expireAt_1", "ended"),
)
SEND_PARKED: Final = Collection(
    "send_parked",
    owner="sender",
    purpose="Requests that wait longer than seconds, as they stood on Kafka.",
    kept="until they have been sent",
    people=True,
    indexes=(
        Index("lane", (("partition", ASCENDING), ("lane", ASCENDING), ("order", ASCENDING))),
        # With all that is asked for, `backlog` too, so that the index alone is read.
        Index(
            "waiting_lanes",
            tuple((name, ASCENDING) for name in ("partition", "backlog", "lane", "order", "group", "due", "inDoubt")),
            only={"backlog": False},
        ),
        Index("backlog", tuple((name, ASCENDING) for name in ("partition", "group", "order")), only={"backlog": True}),
        Index(
            "named",
            tuple((name, ASCENDING) for name in ("partition", "named", "lane", "group")),
            only={"named": {"$exists": True}},
        ),
    ),
    retired=("waiting",),
)
SEND_SCHEDULED: Final = Collection(
    "send_scheduled",
    owner="sender",
    purpose="Requests whose `sendAt` has not come yet, as they stood on Kafka.",
    kept="until `sendAt`",
    people=True,
    indexes=(
        Index("partition_1_due_1", (("partition", ASCENDING), ("due", ASCENDING))),
        # Of those that wait because Meta has refused their template or kind; hardly any does.
        Index(
            "apart",
            (("partition", ASCENDING), ("apart.chatbot", ASCENDING), ("apart.subject", ASCENDING)),
            only={"apart.chatbot": {"$exists": True}},
        ),
    ),
)
SEND_MEDIA: Final = Collection(
    "send_media",
    owner="sender",
    purpose="Which links have been uploaded, by digest.",
    kept="as long as Meta keeps the upload (30 days)",
    people=False,
    indexes=(Index("expiresAt_1", (("expiresAt", ASCENDING),), expire_after=timedelta()),),
)
SEND_NUMBERS: Final = Collection(
    "send_numbers",
    owner="sender",
    purpose="What Meta last said of each business number.",
    kept="for good",
    people=False,
    indexes=(Index("by_chatbot", (("chatbotId", ASCENDING), ("at", DESCENDING))),),
    retired=("chatbotId_1",),
)
ERASURES: Final = Collection(
    "erasures",
    owner="operators",
    purpose="Each run of `wa erase`: by whom, when, why and how much; nothing of whom it was about.",
    kept="for good",
    people=False,
)

ALL: Final = (
    ACCOUNTS,
    CONVERSATIONS,
    MESSAGES,
    WEBHOOK_EVENTS,
    USAGE_LOGS,
    USAGE_DAYS,
    PARTITION_OWNERS,
    STORED_FORMS,
    JOBS,
    SEND_JOURNAL,
    SEND_PARKED,
    SEND_SCHEDULED,
    SEND_MEDIA,
    SEND_NUMBERS,
    ERASURES,
)
