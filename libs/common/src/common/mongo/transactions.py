"""One transaction: snapshot reads, majority writes, repeated by the driver where MongoDB asks for it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from pymongo import ReadPreference, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.read_concern import ReadConcern

from common.mongo.owned_session import OwnedSession
from common.telemetry.outages import MONGODB

T = TypeVar("T")

_DUPLICATE_KEY: Final = 11000


async def transaction(
    owned: OwnedSession, work: Callable[[AsyncClientSession], Awaitable[T]], *, seconds: float = 30.0
) -> T:
    """Run `work` in a transaction of this session and commit it; `work` may run several times.

    Transient conflicts and unknown commits are repeated (MongoDB, "Transactions: production considerations"), until
    `seconds` have passed; then it raises `TimeoutError`, and the outcome is unknown. Raises the driver's errors, among
    them `DuplicateKeyError`. As many transactions at a time as the owner has sessions.
    """
    # Not the driver's own timeout: once that has passed, it does not even send the abort.
    with owned.free_session() as session:
        async with asyncio.timeout(seconds):
            done = await session.with_transaction(
                work,
                read_concern=ReadConcern("snapshot"),
                write_concern=WriteConcern(w="majority", j=True),
                read_preference=ReadPreference.PRIMARY,
            )
    MONGODB.back()
    return done


@contextmanager
def or_duplicate_key() -> Iterator[None]:
    """Raise `DuplicateKeyError` for a bulk write that failed on a duplicate key; other errors stay as they are."""
    try:
        yield
    except BulkWriteError as error:
        details: dict[str, Any] = dict(error.details or {})
        if any(item.get("code") == _DUPLICATE_KEY for item in details.get("writeErrors", ())):
            raise DuplicateKeyError("a document with this key exists", _DUPLICATE_KEY, details) from error
        raise
