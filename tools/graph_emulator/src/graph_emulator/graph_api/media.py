"""Media over the Graph API: upload, look-up, download, delete."""

from aiohttp import BodyPartReader, web

from graph_emulator.graph_api.serving import Call, success
from graph_emulator.graph_errors import GraphError, unknown_object
from graph_emulator.state.directory import Business
from graph_emulator.state.media import DOCUMENT_MAX, Media, size_limit

_CHUNK = 1 << 16


async def upload(call: Call) -> web.StreamResponse:
    """`POST /{phone}/media`, multipart with `messaging_product`, `type` and `file`: `{id}`."""
    business = call.business()
    if not call.request.content_type.startswith("multipart/"):
        raise GraphError(100, "Send the file as multipart/form-data.")
    fields, filename, content = await _parts(call.request)
    if fields.get("messaging_product") != "whatsapp":
        raise GraphError(100, "The parameter messaging_product is required and must be 'whatsapp'.")
    if content is None:
        raise GraphError(131008, "The parameter file is required.")
    mime_type = fields.get("type") or fields.get("file_type", "")
    if not content or len(content) > size_limit(mime_type):
        raise GraphError(131053, f"A file of type {mime_type} has 1 to {size_limit(mime_type)} bytes.")
    media = call.emulator.media.add(business.phone_number_id, mime_type, content, filename=filename)
    call.notes["mediaId"] = media.id
    return success({"id": media.id})


async def _parts(request: web.Request) -> tuple[dict[str, str], str, bytes | None]:
    """(form fields, name of the file, its content); the file's own content type stands in for a missing `type`."""
    fields: dict[str, str] = {}
    filename, content = "", None
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise GraphError(100, "Nested multipart bodies are not supported.")
        if part.name == "file":
            filename = part.filename or ""
            fields["file_type"] = part.headers.get("Content-Type", "")
            content = await _content(part)
        elif part.name:
            fields[part.name] = await part.text()
    return fields, filename, content


async def _content(part: BodyPartReader) -> bytes:
    """The file, read no further than the largest limit."""
    most = DOCUMENT_MAX
    content = bytearray()
    while chunk := await part.read_chunk(_CHUNK):
        content += chunk
        if len(content) > most:
            raise GraphError(131053, f"A file has at most {most} bytes.")
    return bytes(content)


def show_media(call: Call, media_id: str, wabas: frozenset[str]) -> web.StreamResponse:
    """`GET /{media}[?phone_number_id=]`: `{url, mime_type, sha256, file_size, id}`; the url lives 5 minutes."""
    media = _visible(call, media_id, wabas)
    number = call.request.query.get("phone_number_id")
    if media is None or (number is not None and number != media.phone_number_id):
        raise unknown_object(media_id, "get")
    if "display_phone_number" in call.request.query.get("fields", ""):
        raise GraphError(100, message="(#100) Tried accessing nonexisting field (display_phone_number)")
    return success(
        {
            "messaging_product": "whatsapp",
            "url": call.emulator.media.url(media),
            "mime_type": media.mime_type,
            "sha256": media.sha256,
            "file_size": len(media.content),
            "id": media.id,
        }
    )


async def delete(call: Call) -> web.StreamResponse:
    """`DELETE /{media}`: `{success: true}`."""
    media_id = call.request.match_info["id"]
    if _visible(call, media_id, call.wabas()) is None:
        raise unknown_object(media_id, "delete")
    call.emulator.media.delete(media_id)
    return success({"success": True})


async def download(call: Call) -> web.StreamResponse:
    """The content behind a media url; 401 without a valid bearer token, 404 when the url is expired."""
    wabas, query = call.wabas(), call.request.query
    media = call.emulator.media.by_url(query.get("mid", ""), query.get("ext", ""), query.get("hash", ""))
    if media is None or not _may_see(call, media, wabas):
        return web.Response(status=404)
    return web.Response(body=media.content, headers={"Content-Type": media.mime_type})


def _visible(call: Call, media_id: str, wabas: frozenset[str]) -> Media | None:
    media = call.emulator.media.get(media_id)
    return media if media is not None and _may_see(call, media, wabas) else None


def _may_see(call: Call, media: Media, wabas: frozenset[str]) -> bool:
    business: Business | None = call.emulator.directory.businesses.get(media.phone_number_id)
    return business is not None and business.waba_id in wabas
