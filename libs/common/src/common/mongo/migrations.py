"""Changes of stored documents, from the form of an earlier version to that of this one. Pure.

A migration names the documents of the earlier form by a query, and changes each by an update pipeline (MongoDB,
"Updates with aggregation pipeline"). What it has changed does not match the query any more. So a run that was cut off
goes on where it was, a run that has nothing to do changes nothing, and documents that an older process still writes are
changed by the next run. `wa migrate` runs them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from common.contracts.stored.versions import OF_MESSAGES, VERSION
from common.mongo.schema import MESSAGES, Collection


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration. `old` finds the documents to change, and `pipeline` changes one so that `old` finds it no more."""

    name: str
    about: str
    collection: Collection
    old: Mapping[str, Any]
    pipeline: Sequence[Mapping[str, Any]]


_FIRST_TIME: Final = {"$ifNull": ["$statusAt", "$createdAt", "$updatedAt", "$$NOW"]}

ALL: Final = (
    Migration(
        "message-times",
        "messages without a time get that of their last status or of their creation, so that threads show them",
        MESSAGES,
        {VERSION: {"$exists": False}, "timestamp": {"$exists": False}, "erasedAt": {"$exists": False}},
        [{"$set": {"timestamp": {"$dateTrunc": {"date": _FIRST_TIME, "unit": "second"}}, VERSION: OF_MESSAGES}}],
    ),
)
"""In the order in which they are run."""
