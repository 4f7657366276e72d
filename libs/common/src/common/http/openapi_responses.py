"""What the documents say of answers: their types, an example of each, and every error.

Handlers build their answers as plain objects. The structures here describe them; a test reads real answers as these
structures, and another makes each documented error happen, so that neither can change alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example

from common.contracts.envelope import Contract


class ErrorBody(Contract, frozen=True, kw_only=True):
    """Why: `code` for programs, `message` for people.

    `details` of a 400 is a list with the `field` and the `message` of each wrong field; else, where it is there, an
    object: the limit, how the send stands, or Meta's code.
    """

    code: str
    message: str
    details: Any = None


class ErrorAnswer(Contract, frozen=True, kw_only=True):
    """The answer of every call that failed."""

    success: Literal[False]
    error: ErrorBody


@dataclass(frozen=True, slots=True)
class Refused:
    """One error that a call answers: `when` it happens, and an example for the chatbot `shop-bot`."""

    when: str
    code: str
    message: str
    details: Any = None


def wrong_field(field: str, message: str) -> Refused:
    """A 400 of a request in which this field is wrong."""
    return Refused(
        "the request does not have the expected form; `details` names each field",
        "invalid_input",
        "the request does not have the expected form",
        [{"field": field, "message": message}],
    )


WRONG_LIMIT: Final = wrong_field("limit", "give a whole number of at least 1")
NO_CHATBOT_ID: Final = wrong_field(
    "chatbotId", "the query parameter `chatbotId` is missing; add `?chatbotId=…`: the chatbot that sends it"
)
UNKNOWN_PARAMETER: Final = Refused(
    "the call does not have this query parameter",
    "unknown_parameter",
    "there is no query parameter `limit` here; this call has none",
    [{"field": "limit", "message": "unknown"}],
)
UNKNOWN_ACCOUNT: Final = Refused(
    "no account has this chatbotId",
    "unknown_account",
    "no account has the chatbotId `shop-bot`; create it with `POST /whatsapp-cloud/account`",
)
DEACTIVATED: Final = Refused(
    "the account is deactivated",
    "account_deactivated",
    "the account of `shop-bot` is deactivated; `POST /whatsapp-cloud/account` activates it again",
)
MONGODB_AWAY: Final = Refused(
    "MongoDB is away; repeat after `Retry-After` seconds",
    "mongo_unavailable",
    "MongoDB is unavailable; try again",
)
KAFKA_AWAY: Final = Refused(
    "Kafka did not confirm; repeat with the same ids after `Retry-After` seconds",
    "kafka_unavailable",
    "Kafka does not answer; try again",
)
_NO_KEY: Final = Refused(
    "the API key is missing or not known", "unauthenticated", "send an API key as `Authorization: Bearer <key>`"
)


def documented(
    answer: type[Any], example: Mapping[str, Any], scope: str, refusals: Mapping[int, Refused | Sequence[Refused]]
) -> dict[int, ResponseSpec]:
    """For a handler's `responses=`: the answer with a written example, and each error that the call can have.

    `scope` is that of the API keys that may call it.
    """
    good = ResponseSpec(answer, description="done", generate_examples=False, examples=[_example(example)])
    no_scope = Refused(
        "the API key does not reach this: it lacks the scope or the chatbot",
        "forbidden",
        f"this API key does not have the scope `{scope}`",
    )
    told = {401: _NO_KEY, 403: no_scope, **refusals}
    return {200: good, **{status: _refusal(told[status]) for status in sorted(told)}}


def _refusal(told: Refused | Sequence[Refused]) -> ResponseSpec:
    each = [told] if isinstance(told, Refused) else told
    description = "; or ".join(one.when for one in each)
    examples = [_example({"success": False, "error": _error(one)}) for one in each]
    return ResponseSpec(ErrorAnswer, description=description, generate_examples=False, examples=examples)


def _error(told: Refused) -> dict[str, Any]:
    details = {"details": told.details} if told.details is not None else {}
    return {"code": told.code, "message": told.message, **details}


def _example(value: Mapping[str, Any]) -> Example:
    return Example(value=dict(value))
