"""`stored_forms`: from when on something is written in a newer form, decided once for the database."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from pymongo import ReturnDocument

from common.contracts.stored.usage import ALWAYS
from common.mongo import schema
from common.mongo.client import Database, Document
from common.mongo.compare_and_set import or_unavailable

UPDATE: Final = timedelta(days=1)
"""No update of all processes takes longer."""


async def written_since(
    database: Database, form: str, is_used: Callable[[], Awaitable[bool]], wait: timedelta = UPDATE
) -> datetime:
    """From when on something is done in a newer form; the first process that asks decides it.

    That is `wait` from now where the database `is_used`: processes of earlier versions may run beside this one for the
    time of an update, and know the older form only. Raises `Unavailable`.
    """
    forms = database[schema.STORED_FORMS.name]
    with or_unavailable():
        known: Document | None = await forms.find_one({"_id": form})
        if known is not None:
            return known["since"]  # type: ignore[no-any-return]  # documents are untyped
        since = datetime.now(UTC) + wait if await is_used() else ALWAYS
        found: Document | None = await forms.find_one_and_update(
            {"_id": form}, {"$setOnInsert": {"since": since}}, upsert=True, return_document=ReturnDocument.AFTER
        )
    return since if found is None else found["since"]  # it is never None: `upsert`
