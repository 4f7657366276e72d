"""Media as the Graph keeps it: ids that expire, download URLs that live for minutes, limits per kind."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from graph_emulator.clock import Clock
from graph_emulator.config import Config
from graph_emulator.graph_errors import GraphError
from graph_emulator.ids import Ids

Json = dict[str, Any]

_MB = 1024 * 1024
DOCUMENT_MAX = 100 * _MB
_AUDIO = frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"})
_IMAGES = frozenset({"image/jpeg", "image/png"})
_VIDEOS = frozenset({"video/mp4", "video/3gpp"})
_STICKER = "image/webp"
_UNKNOWN = frozenset({"application/octet-stream", "application/ogg"})
DOWNLOAD_PATH = "/whatsapp_business/attachments/"


@dataclass(slots=True)
class Media:
    """One stored file; `expires_ms` is when its id stops working."""

    id: str
    phone_number_id: str
    mime_type: str
    content: bytes
    sha256: str
    expires_ms: int
    filename: str = ""


def size_limit(mime_type: str) -> int:
    """Most bytes of an upload of this type; GraphError 131053 for a type that WhatsApp does not carry."""
    bare = mime_type.partition(";")[0].strip().lower()
    if bare in _AUDIO or bare in _VIDEOS:
        return 16 * _MB
    if bare in _IMAGES:
        return 5 * _MB
    if bare == _STICKER:
        return 500 * 1024
    if bare.startswith(("application/", "text/")) and bare not in _UNKNOWN:
        return DOCUMENT_MAX
    raise GraphError(131053, f"Files of type {mime_type!r} are not supported.")


class MediaStore:
    """Files in memory. Ids of uploads live for 30 days, those of webhooks for 7, download URLs for 5 minutes."""

    def __init__(self, config: Config, clock: Clock, ids: Ids) -> None:
        self._config = config
        self._clock = clock
        self._ids = ids
        self._key = ids.secret().encode()
        self._files: dict[str, Media] = {}

    def add(
        self, phone_number_id: str, mime_type: str, content: bytes, *, filename: str = "", inbound: bool = False
    ) -> Media:
        """Store a file; the caller has checked its type and size."""
        life = self._config.media_inbound_ms if inbound else self._config.media_upload_ms
        media = Media(
            id=self._ids.number(),
            phone_number_id=phone_number_id,
            mime_type=mime_type,
            content=content,
            sha256=hashlib.sha256(content).hexdigest(),
            expires_ms=self._clock.now_ms() + life,
            filename=filename,
        )
        self._files[media.id] = media
        return media

    def get(self, media_id: str) -> Media | None:
        """The file, unless its id is unknown or has expired."""
        media = self._files.get(media_id)
        return media if media is not None and media.expires_ms > self._clock.now_ms() else None

    def owned_by(self, media_id: str, phone_number_id: str) -> bool:
        """Whether this business number has a live file of that id."""
        media = self.get(media_id)
        return media is not None and media.phone_number_id == phone_number_id

    def expire(self, media_id: str) -> bool:
        """End the life of an id now, though not of the file's entry; False when it was not alive."""
        media = self.get(media_id)
        if media is not None:
            media.expires_ms = self._clock.now_ms()
        return media is not None

    def delete(self, media_id: str) -> None:
        """Forget a file."""
        self._files.pop(media_id, None)

    def clear(self) -> None:
        """Forget every file."""
        self._files.clear()

    def url(self, media: Media) -> str:
        """A fresh download URL; needs the bearer token as well."""
        expires = str((self._clock.now_ms() + self._config.media_url_ms) // 1000)
        query = {"mid": media.id, "ext": expires, "hash": self._seal(media.id, expires)}
        return f"{self._config.public_url}{DOWNLOAD_PATH}?{urlencode(query)}"

    def by_url(self, media_id: str, expires: str, seal: str) -> Media | None:
        """The file of a download URL's query, or None when it is expired, forged or gone."""
        if not hmac.compare_digest(self._seal(media_id, expires), seal):
            return None
        return self.get(media_id) if int(expires) * 1000 > self._clock.now_ms() else None

    def _seal(self, media_id: str, expires: str) -> str:
        return hmac.digest(self._key, f"{media_id}:{expires}".encode(), hashlib.sha256).hex()[:32]
