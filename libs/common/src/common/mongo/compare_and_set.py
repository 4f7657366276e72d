"""Compare-and-set in bulk: a document changes only while it is still the one that the writer read.

A document carries a `token` that is new with every write. A `Swap` names the token that it expects; whether it took
place is seen by reading the document back. So a batch whose acknowledgement was lost is written again.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from bson.errors import BSONError
from pymongo import InsertOne, ReplaceOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError

from common.errors import Unavailable
from common.mongo.client import Document
from common.telemetry.mongo_lines import UNAVAILABLE, UNAVAILABLE_CODE
from common.telemetry.outages import MONGODB
from common.telemetry.safe_errors import quotes, text_of

log = logging.getLogger(__name__)

Collection = AsyncCollection[Document]

ASKS_SECONDARY: Final[ContextVar[bool]] = ContextVar("ASKS_SECONDARY", default=False)
"""What is asked now goes to a secondary: its answer does not say that the primary is back."""

_DUPLICATE_KEY = 11000
_MANY = 16


@dataclass(frozen=True, slots=True)
class Swap:
    """Replace the document whose token is `expected` (None: insert) with `document`, which has `_id` and `token`."""

    document: Document
    expected: str | None


@contextmanager
def or_unavailable() -> Iterator[None]:
    """Turn the driver's errors into `Unavailable`, whose text callers may see; the log says what happened.

    While MongoDB is away the log has one line a minute.
    """
    try:
        yield
    except PyMongoError as error:
        if isinstance(error, ConnectionFailure):
            MONGODB.failed(log, "MongoDB is away", error=_described(error))
        else:
            log.warning("MongoDB refused an operation", extra={"error": _described(error)})
        raise Unavailable(UNAVAILABLE, code=UNAVAILABLE_CODE) from error
    if not ASKS_SECONDARY.get():
        MONGODB.back()


def _described(error: PyMongoError) -> str:
    """The error for a log. The text of a refused operation quotes its documents, with what people wrote."""
    return f"{type(error).__name__} ({text_of(error)})" if isinstance(error, OperationFailure) else repr(error)


quotes(OperationFailure, lambda error: f"code {error.code}")
quotes(BSONError, lambda _: "a document cannot be encoded")


async def swap_all(collection: Collection, swaps: Sequence[Swap]) -> list[Document | None]:
    """Write what can be written, in parallel; for each swap the document as it stands now.

    The swap took place when the document has its token. Raises `Unavailable`; the same swaps may then be tried again.
    """
    # A command has a fixed cost, and so has an upsert: a few new documents are upserted, many are inserted.
    inserting = sum(swap.expected is None for swap in swaps) > _MANY
    operations = [_operation(swap, inserting=inserting) for swap in swaps]
    with or_unavailable():
        try:
            result = await collection.bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            only_duplicates(error)
        else:
            if result.inserted_count + result.matched_count + result.upserted_count == len(swaps):
                return [swap.document for swap in swaps]
        return await find_all(collection, [swap.document["_id"] for swap in swaps])


async def find_all(collection: Collection, ids: Sequence[str]) -> list[Document | None]:
    """The document of each id, or None. Raises `Unavailable`."""
    with or_unavailable():
        found = {document["_id"]: document async for document in collection.find({"_id": {"$in": list(ids)}})}
    return [found.get(key) for key in ids]


def _operation(swap: Swap, *, inserting: bool) -> Any:
    key, token = swap.document["_id"], swap.expected
    if token is not None:
        return ReplaceOne({"_id": key, "token": token}, swap.document)
    if inserting:
        return InsertOne(swap.document)
    # An existing document has another token: so the upsert fails on the unique `_id`, as an insert would.
    return ReplaceOne({"_id": key, "token": swap.document["token"]}, swap.document, upsert=True)


def only_duplicates(error: BulkWriteError) -> None:
    """Raise `error` unless all that went wrong are duplicate keys: documents that are there already."""
    details: dict[str, Any] = dict(error.details or {})
    if details.get("writeConcernErrors") or any(
        item.get("code") != _DUPLICATE_KEY for item in details.get("writeErrors", [])
    ):
        raise error
