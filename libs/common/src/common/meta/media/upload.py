"""Uploading files to Meta: `POST /<phone number id>/media`, streamed.

Source: Meta, "Media" (Cloud API), "Upload media": multipart with `messaging_product`, `type` and `file`, answered with
`{id}`. An id belongs to the number and lives for 30 days. Repeating an upload only makes another id, so unlike a send
it is never in doubt. httpx is used, and not the client of the send path: it takes a body piece by piece as it comes.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Final

import httpx
import msgspec
from pydantic import Field

from common.meta.call_ends import Answered, CallEnd, NotSent, Unclear
from common.meta.client import GraphSettings
from common.meta.errors import GraphFailure, classify

LIFETIME: Final = timedelta(days=30)
"""How long the id of an uploaded file works."""

_MAX_UPLOADS: Final = 128
_CONTROL: Final = {code: f"%{code:02X}" for code in (*range(32), 34, 127)}


class MediaSettings(GraphSettings):
    """Where Meta is, and how long it may take."""

    graph_upload_seconds: Annotated[
        float, Field(gt=0, description="for a whole upload, the reading of its source included")
    ] = 60.0


class UploadFailed(Exception):
    """An upload that ended without an id; `end` says how. The text is safe to log."""

    def __init__(self, end: CallEnd) -> None:
        self.end = end
        failure = self.failure
        super().__init__(f"upload failed: {failure.rule.reason if failure else getattr(end, 'reason', '')}")

    @property
    def failure(self) -> GraphFailure | None:
        """What Meta said; None when it could not be reached."""
        return classify(self.end.status, self.end.body) if isinstance(self.end, Answered) else None


class MediaClient:
    """A pool of connections to Meta for files. Tokens are arguments, never kept or logged."""

    def __init__(self, settings: MediaSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._seconds = settings.graph_upload_seconds
        wait = settings.graph_connect_seconds
        self._client = httpx.AsyncClient(
            base_url=f"{settings.graph_base_url.rstrip('/')}/{settings.graph_version}",
            timeout=httpx.Timeout(settings.graph_upload_seconds, connect=wait, pool=wait),
            limits=httpx.Limits(max_connections=_MAX_UPLOADS, max_keepalive_connections=16, keepalive_expiry=15),
            headers={"user-agent": "whatsapp-cloud-sender"},
            transport=transport,
        )

    async def upload(
        self,
        phone_number_id: str,
        token: str,
        chunks: AsyncIterator[bytes],
        *,
        mime_type: str,
        filename: str,
        size: int,
    ) -> str:
        """The media id of a file of exactly `size` bytes, which is read as it is sent and never held whole.

        Raises `UploadFailed`, and whatever `chunks` raises.
        """
        boundary = secrets.token_hex(16)
        head, tail = frame(boundary, mime_type, filename)
        headers = {
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(len(head) + size + len(tail)),
        }
        end = await self._post(phone_number_id, token, headers, _body(head, chunks, tail))
        media_id = _id_of(end)
        if media_id is None:
            raise UploadFailed(end)
        return media_id

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _post(self, number: str, token: str, headers: dict[str, str], body: AsyncIterator[bytes]) -> CallEnd:
        if not (token.isascii() and token.isprintable() and number.isalnum()):
            return NotSent("unusable_token_or_number")
        authorized = {**headers, "authorization": f"Bearer {token}"}
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._client.post(f"{number}/media", headers=authorized, content=body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return NotSent(type(error).__name__)
        except (httpx.HTTPError, TimeoutError) as error:
            return Unclear(type(error).__name__)
        return Answered(response.status_code, response.content)


def frame(boundary: str, mime_type: str, filename: str) -> tuple[bytes, bytes]:
    """What stands before and after a file's bytes in the form. Names are escaped as browsers do (WHATWG, HTML)."""
    kind, name = (text.translate(_CONTROL) for text in (mime_type, filename))
    fields = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in (("messaging_product", "whatsapp"), ("type", kind))
    )
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {kind}'
    return f"{fields}{file}\r\n\r\n".encode(), f"\r\n--{boundary}--\r\n".encode()


async def _body(head: bytes, chunks: AsyncIterator[bytes], tail: bytes) -> AsyncIterator[bytes]:
    yield head
    async for chunk in chunks:
        yield chunk
    yield tail


def _id_of(end: CallEnd) -> str | None:
    if not isinstance(end, Answered) or not 200 <= end.status < 300:
        return None
    try:
        answer = msgspec.json.decode(end.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    given = answer.get("id") if isinstance(answer, dict) else None
    return given if isinstance(given, str) and given else None
