"""Uploaded links in MongoDB: `send_media`, one document per business number and link.

A link may hold a secret, so only its digest is stored. A document expires with its media id.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from common.mongo import Database, or_unavailable, schema
from common.mongo.indexes import ensure_indexes

COLLECTION: Final = schema.SEND_MEDIA.name
MARGIN: Final = timedelta(hours=1)
"""A media id is not used in its last hour, because clocks differ and a prepared message may wait before it is sent."""


@dataclass(frozen=True, slots=True)
class CachedUpload:
    """The media id of a link, the type and name of its file, and the time in which Meta has it."""

    media_id: str
    mime_type: str
    at: datetime
    expires_at: datetime
    name: str = ""


def key_of(phone_number_id: str, link: str) -> str:
    """The id of a document. It includes the number, because media belongs to one number."""
    return hashlib.sha256(f"{phone_number_id}\n{link}".encode()).hexdigest()


class MediaStore:
    """Every method raises `Unavailable` when MongoDB does not answer, and is harmless to repeat."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._collection = database[COLLECTION]

    async def ensure_indexes(self) -> None:
        """Create what is missing."""
        await ensure_indexes(self._database, schema.SEND_MEDIA)

    async def load(self, key: str, now: datetime) -> CachedUpload | None:
        """The upload of a link, while its media id is valid."""
        with or_unavailable():
            document = await self._collection.find_one({"_id": key, "expiresAt": {"$gt": now + MARGIN}})
        if document is None:
            return None
        at, expires_at, name = document["at"], document["expiresAt"], document.get("name", "")
        return CachedUpload(document["mediaId"], document["mimeType"], at, expires_at, name)

    async def put(self, key: str, kept: CachedUpload) -> None:
        """Store an upload, in place of an earlier one."""
        fields = {
            "mediaId": kept.media_id,
            "mimeType": kept.mime_type,
            "at": kept.at,
            "expiresAt": kept.expires_at,
            "name": kept.name,
        }
        with or_unavailable():
            await self._collection.replace_one({"_id": key}, fields, upsert=True)

    async def forget(self, key: str, before: datetime) -> bool:
        """Delete an upload that was made before then; returns whether there was one."""
        with or_unavailable():
            deleted = await self._collection.delete_one({"_id": key, "at": {"$lt": before}})
        return deleted.deleted_count > 0
