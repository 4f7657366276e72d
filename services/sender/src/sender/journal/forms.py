"""Since when the message id of a request without one has a time in it, beside the place of its record.

The same place on a new Kafka had another request before. Without the time, the journal would take the new request for a
repetition, and it would not be sent.
"""

from typing import Final

from common.mongo import Database, schema
from common.mongo.stored_forms import written_since

DATED: Final = "send-requests-dated-ids"
"""In `stored_forms`: records that were written since then have a time in their message id."""


class DatedIds:
    """Asks MongoDB once. `since` raises `Unavailable` when it does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._since: float | None = None

    async def since(self) -> float:
        """From when on, in Unix seconds: a day from the first start of this version where the journal is used."""
        if self._since is None:
            self._since = (await written_since(self._database, DATED, self._is_used)).timestamp()
        return self._since

    async def _is_used(self) -> bool:
        return await self._database[schema.SEND_JOURNAL.name].find_one({}, {"_id": 1}) is not None
