"""`POST /whatsapp-cloud/media`: upload a file for later messages of one chatbot."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import QueryParameter

from common.contracts.accounts import AccountData
from common.errors import AppError, InvalidInput, RefusedByMeta, TooLarge, Unavailable, UnsupportedType
from common.http.auth import check_chatbot
from common.http.clients.accounts import Credentials, CredentialsClient
from common.http.guard.protocol import stream_body
from common.http.openapi_responses import DEACTIVATED, NO_CHATBOT_ID, UNKNOWN_ACCOUNT, documented
from common.http.request_body import stream_of
from common.http.uploads.capacity import Capacity
from common.http.uploads.form_file import form_file
from common.kafka.consume.table import Table
from common.meta.errors import GraphFailure, Klass
from common.meta.media.rules import MAX_BYTES, MediaRefused
from common.meta.media.upload import LIFETIME, MediaClient, UploadFailed
from sender.api import answers
from sender.api.enqueue import check_id, ensure_sendable, unknown_account
from sender.media.upload import File, Uploaded, recognised_file, transfer

_FORM_BYTES: Final = 1 << 20
_MAX_NAME: Final = 240
_MAY_HEAL: Final = frozenset({Klass.RETRY, Klass.THROTTLE, Klass.WAIT, Klass.AMBIGUOUS})
_FILENAME: Final = "the name that the recipient of a document sees; default: that of the form's part"
_FILE: Final = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
_PART: Final = replace(_FILE, description="the file, with its Content-Type and its file name")
_SKIPPED: Final = Schema(type=OpenAPIType.STRING, description="Meta's own form has it; skipped")
_FORM: Final = Schema(
    type=OpenAPIType.OBJECT,
    properties={"file": _PART, "messaging_product": _SKIPPED, "type": _SKIPPED},
    required=["file"],
)


@dataclass
class _WithFile(Operation):
    def __post_init__(self) -> None:
        kinds = {
            "application/octet-stream": OpenAPIMediaType(schema=_FILE),  # and every type that WhatsApp carries
            "multipart/form-data": OpenAPIMediaType(schema=_FORM),
        }
        self.request_body = RequestBody(kinds, required=True)


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """Limits of uploads: `seconds` for each, `places` at one time (by chatbot), `spool` bytes on disk in all."""

    seconds: float
    places: Capacity
    spool: Capacity


def media_route(
    *,
    client: MediaClient,
    accounts: Table[AccountData],
    credentials: CredentialsClient,
    on_rejected: Callable[[str, Credentials, int | None], None],
    limits: UploadLimits,
    now: Callable[[], datetime],
) -> HTTPRouteHandler:
    """The route; `on_rejected` learns of a token that Meta refuses."""

    @post(
        "/media",
        operation_id="uploadMedia",
        status_code=200,
        summary="Upload a file",
        operation_class=_WithFile,
        request_max_body_size=MAX_BYTES + _FORM_BYTES,
        responses=documented(
            answers.MediaAnswer,
            answers.UPLOADED,
            "send",
            {
                400: NO_CHATBOT_ID,
                404: UNKNOWN_ACCOUNT,
                409: DEACTIVATED,
                413: answers.FILE_TOO_LARGE,
                415: answers.FILE_OF_ANOTHER_TYPE,
                429: answers.UPLOADS_UNDER_WAY,
                502: answers.FILE_REFUSED,
                503: answers.UPLOAD_AWAY,
            },
        ),
    )
    async def media(
        request: Request[Any, Any, Any],
        chatbot: Annotated[str, QueryParameter(name="chatbotId", description="the chatbot that sends it")],
        filename: Annotated[str | None, QueryParameter(max_length=_MAX_NAME, description=_FILENAME)] = None,
    ) -> dict[str, Any]:
        """Put a file into the media of the chatbot's number; messages then name it by `id`, for 30 days.

        The body is the file itself under its `Content-Type`, or `multipart/form-data` with a part `file`. The file is
        streamed to Meta and never held in memory; only a file without a length (such as a form part) waits on disk.
        """
        check_id(chatbot)
        check_chatbot(request, chatbot)
        stream_body(request.scope)
        await ensure_sendable(accounts, chatbot)
        with limits.places.held(1, chatbot):
            known = await _credentials(credentials, accounts, chatbot)
            uploaded = await uploaded_by(request, chatbot, known, filename)
        return {"success": True, "data": _shown(uploaded, now())}

    async def uploaded_by(
        request: Request[Any, Any, Any], chatbot: str, known: Credentials, filename: str | None
    ) -> Uploaded:
        number, token, seconds = known.phone_number_id, known.token.get_secret_value(), limits.seconds
        try:
            async with asyncio.timeout(seconds):
                return await transfer(client, number, token, await _file_of(request, filename), limits.spool)
        except MediaRefused as error:
            raise refused(error) from None
        except UploadFailed as error:
            if error.failure is not None and error.failure.klass is Klass.AUTH:
                on_rejected(chatbot, known, error.failure.code)
            raise not_taken(error.failure) from None
        except TimeoutError:
            raise Unavailable(f"the upload took longer than {seconds:g} s", code="upload_timeout") from None

    return media


async def _credentials(credentials: CredentialsClient, accounts: Table[AccountData], chatbot: str) -> Credentials:
    account = accounts.get(chatbot)
    if account is None:
        raise unknown_account(chatbot)
    return await credentials.get(chatbot, revision=account.revision)


async def _file_of(request: Request[Any, Any, Any], filename: str | None) -> File:
    """The file of a request, its body not yet read. Raises `InvalidInput`, in its chunks too."""
    given, options = request.content_type
    if given != "multipart/form-data":
        header = request.headers.get("content-type", "")
        return await _file(header, filename or "", request.content_length, stream_of(request))
    if not options.get("boundary"):
        raise InvalidInput("the Content-Type multipart/form-data has no boundary; let the HTTP client write it")
    part = await form_file(stream_of(request), options["boundary"])
    return await _file(part.mime_type, filename or part.filename, None, part.chunks)


async def _file(mime_type: str, name: str, size: int | None, chunks: AsyncIterator[bytes]) -> File:
    return await recognised_file(File(mime_type, name[-_MAX_NAME:], size, chunks))


def refused(error: MediaRefused) -> AppError:
    """The error for a file that WhatsApp does not support."""
    details = {"field": error.field, "limit": error.limit, "given": error.given}
    return (TooLarge if error.too_large else UnsupportedType)(str(error), details=details)


def not_taken(failure: GraphFailure | None) -> AppError:
    """The error when Meta did not take the file (None: could not be reached). It hides Meta's words about a token."""
    if failure is None:
        return Unavailable("Meta cannot be reached; try again", code="meta_unavailable")
    said = {"code": failure.code, "reason": failure.rule.reason}
    if failure.klass in _MAY_HEAL:
        return Unavailable("Meta cannot take the file now; try again", code="meta_unavailable", details=said)
    words = {} if failure.klass is Klass.AUTH else {"message": failure.message, "details": failure.details}
    told_us = {name: value for name, value in {**said, **words}.items() if value is not None}
    return RefusedByMeta(f"Meta refuses the file: {failure.rule.reason}", details=told_us)


def _shown(uploaded: Uploaded, now: datetime) -> dict[str, Any]:
    return {
        "id": uploaded.id,
        "expiresAt": (now + LIFETIME).isoformat(),
        "mimeType": uploaded.mime_type,
        "size": uploaded.size,
        "sha256": uploaded.sha256,
    }
