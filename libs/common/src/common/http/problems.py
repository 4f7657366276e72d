"""Every error answer of every service: `{"success": false, "error": {"code", "message", "details"?}}`.

This is the only module that turns exceptions into HTTP. Unexpected ones are logged and answered without their text.
"""

import logging
from typing import Any

from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap
from pydantic import ValidationError

from common.contracts.refusals import MOST, named, omitted, refusals, shortened
from common.errors import AppError, InvalidInput

log = logging.getLogger(__name__)

_CODES = {
    400: "invalid_input",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    429: "too_many_requests",
}
_RETRY_AFTER_SECONDS = "1"
_MAY_REPEAT = frozenset({429, 503})


def problem(status: int, code: str, message: str, details: object = None) -> Response[dict[str, Any]]:
    """The answer for one error."""
    error: dict[str, Any] = {"code": code, "message": message}
    if details is not None:
        error["details"] = details
    headers = {"retry-after": _RETRY_AFTER_SECONDS} if status in _MAY_REPEAT else {}
    return Response({"success": False, "error": error}, status_code=status, media_type=MediaType.JSON, headers=headers)


def exception_handlers() -> ExceptionHandlersMap:
    """For `Litestar(exception_handlers=…)`."""
    return {
        AppError: _on_app_error,
        ValidationError: _on_pydantic,
        ValidationException: _on_validation,
        HTTPException: _on_http,
        UnicodeDecodeError: _on_undecodable,
        RecursionError: _on_undecodable,
        Exception: _on_unexpected,
    }


def _on_app_error(_: Request[Any, Any, Any], error: AppError) -> Response[dict[str, Any]]:
    return problem(error.status, error.error_code, error.message, error.details)


def _on_pydantic(_: Request[Any, Any, Any], error: ValidationError) -> Response[dict[str, Any]]:
    return problem(400, InvalidInput.code, "the request does not have the expected form", refusals(error))


def _on_validation(_: Request[Any, Any, Any], error: ValidationException) -> Response[dict[str, Any]]:
    extra = error.extra if isinstance(error.extra, list) else []
    fields = [named(item.get("key", ""), item.get("message", "")) for item in extra[:MOST]]
    left_out = omitted(len(extra) - MOST) if len(extra) > MOST else []
    details = [*fields, *left_out] or shortened(error.detail)
    return problem(400, InvalidInput.code, "the request does not have the expected form", details)


def _on_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    answer = problem(error.status_code, _CODES.get(error.status_code, "http_error"), shortened(error.detail))
    # A 405 says what is allowed (RFC 9110 §15.5.6); the framework knows.
    answer.headers.update({name.lower(): value for name, value in (error.headers or {}).items()})
    return answer


def _on_undecodable(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """A body that is not UTF-8, or nested too deeply: the framework's decoder lets these two errors pass."""
    if _is_of_decoder(error):
        return problem(400, InvalidInput.code, "the body is not JSON: it is not UTF-8, or nested too deeply")
    return _on_unexpected(request, error)


def _is_of_decoder(error: Exception) -> bool:
    """Whether it was raised while the framework decoded a body; raised elsewhere it is a mistake of ours."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and str(at.tb_frame.f_globals.get("__name__")).startswith("litestar.serialization")


def _on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    log.error("unexpected error", exc_info=error, extra={"path": request.scope.get("path")})
    return problem(500, AppError.code, "an unexpected error occurred; it has been logged")
