"""Every error answer of every service: `{"success": false, "error": {"code", "message", "details"?}}`.

This is the only module that turns exceptions into HTTP. Unexpected ones are logged and answered without their text.
"""

import logging
from typing import Any

from litestar import MediaType, Request, Response
from litestar._signature.types import ExtendedMsgSpecValidationError  # it alone has pydantic's errors
from litestar.exceptions import HTTPException, SerializationException, ValidationException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ExceptionHandlersMap
from pydantic import BaseModel, ValidationError

from common.contracts.validation.refusals import MOST, Refusal, named, omitted, refusals, shortened
from common.contracts.validation.wording import sentence
from common.errors import AppError, InvalidInput
from common.http import phrases

log = logging.getLogger(__name__)

_CODES = {
    400: "invalid_input",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    415: "unsupported_type",
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


def _on_validation(request: Request[Any, Any, Any], error: ValidationException) -> Response[dict[str, Any]]:
    details = _fields(request, error)
    return problem(400, InvalidInput.code, "the request does not have the expected form", details)


def _fields(request: Request[Any, Any, Any], error: ValidationException) -> list[Refusal]:
    """Each wrong field; never with what was given, because that may be a secret."""
    missing = phrases.missing_parameter(request, error.detail)
    if missing is not None:
        return [missing]
    cause, extra = error.__cause__, error.extra if isinstance(error.extra, list) else []
    if isinstance(cause, ExtendedMsgSpecValidationError):
        model, found = _model_of(request), cause.errors
        fields = [named(".".join(map(str, item["loc"])), sentence(item, model)) for item in found[:MOST]]
    else:
        found, fields = extra, [phrases.field_of(item) for item in extra[:MOST]]
    left_out = omitted(len(found) - MOST) if len(found) > MOST else []
    return [*fields, *left_out] or [named("", shortened(error.detail))]


def _model_of(request: Request[Any, Any, Any]) -> type[BaseModel] | None:
    """The model of the body of the call, if it has one."""
    handler = request.scope.get("route_handler")
    body = handler.parsed_data_field if isinstance(handler, HTTPRouteHandler) else None
    kind = body.annotation if body is not None else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    answer = problem(error.status_code, _CODES.get(error.status_code, "http_error"), _said(request, error))
    # A 405 says what is allowed (RFC 9110 §15.5.6); the framework knows.
    answer.headers.update({name.lower(): value for name, value in (error.headers or {}).items()})
    return answer


def _said(request: Request[Any, Any, Any], error: HTTPException) -> str:
    """A sentence in place of the framework's name of a status; what a handler of ours says stays."""
    if isinstance(error.__cause__, SerializationException):
        return phrases.not_json(error.detail)
    match error.status_code, error.detail:
        case 404, "Not Found":
            return phrases.no_such_path(request)
        case 405, _:
            return phrases.not_allowed(request.method, error.headers or {})
        case 413, _:
            return phrases.too_large(request)
        case _:
            return shortened(error.detail)


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
