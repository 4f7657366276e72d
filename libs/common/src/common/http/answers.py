"""What the documents say of answers: their types, an example of each, and every error.

Handlers build their answers as plain objects. The structures here describe them; a test reads real answers as these
structures, so that neither can change alone.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example

from common.contracts.envelope import Contract


class ErrorBody(Contract, frozen=True, kw_only=True):
    """Why: `code` for programs, `message` for people, `details` with each wrong field, or with Meta's code."""

    code: str
    message: str
    details: Any = None


class ErrorAnswer(Contract, frozen=True, kw_only=True):
    """The answer of every call that failed."""

    success: Literal[False]
    error: ErrorBody


_COMMON: Final = {
    400: "the request does not have the expected form; `details` names each field",
    401: "the API key is missing or not known",
    403: "the API key does not reach this: it lacks the scope or the chatbot",
    429: "too much is under way; repeat after `Retry-After` seconds",
    503: "a part that is needed is away; repeat after `Retry-After` seconds",
}
_EXAMPLES: Final[Mapping[int, tuple[str, str, Any]]] = {
    400: (
        "invalid_input",
        "the request does not have the expected form",
        [{"field": "to", "message": "Field required"}],
    ),
    401: ("unauthenticated", "send your API key as `Authorization: Bearer <key>`", None),
    403: ("forbidden", "this API key does not reach the chatbot `shop-bot`", None),
    404: ("not_found", "there is nothing with this id", None),
    409: ("conflict", "the account `shop-bot` is deactivated", None),
    413: ("too_large", "a send request has at most 900000 bytes, this one has 1200000", None),
    429: ("too_many_requests", "too many requests are under way; repeat later", None),
    503: ("unavailable", "Kafka did not confirm in time; repeat with the same messageId", None),
}


def documented(
    answer: type[Any], example: Mapping[str, Any], refusals: Mapping[int, str] | None = None
) -> dict[int, ResponseSpec]:
    """For a handler's `responses=`: the answer with a written example, and each error that the call can have.

    `refusals` has what a status means for this call: more statuses, or other words for those that all calls share.
    """
    good = ResponseSpec(answer, description="done", generate_examples=False, examples=[_example(example)])
    told = {**_COMMON, **(refusals or {})}
    return {200: good, **{status: _refusal(status, told[status]) for status in sorted(told)}}


def _refusal(status: int, description: str) -> ResponseSpec:
    code, message, details = _EXAMPLES.get(status, ("refused", description, None))
    error = {"code": code, "message": message, **({"details": details} if details is not None else {})}
    example = _example({"success": False, "error": error})
    return ResponseSpec(ErrorAnswer, description=description, generate_examples=False, examples=[example])


def _example(value: Mapping[str, Any]) -> Example:
    return Example(value=dict(value))
