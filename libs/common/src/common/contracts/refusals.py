"""Why a request is refused, for those who wrote it: each field with its rule, its limit and what was given. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

_SHOWN: Final = 80
_LIMITS: Final = ("max_length", "min_length", "le", "ge", "lt", "gt", "pattern", "expected")
_OF_A_NAME: Final = frozenset({"missing", "extra_forbidden"})

Refusal = dict[str, Any]


def refusals(error: ValidationError, given: object = None) -> list[Refusal]:
    """One entry per wrong field: `field`, `message`, `given` (shortened) and, where there is one, `limit`.

    With what was `given` as a whole, a field's path is that of the JSON; without it the names of pydantic's branches
    (which kind of message was meant) stand in between.
    """
    return [
        {
            "field": _path(item["loc"], given, item["type"]),
            "message": item["msg"].removeprefix("Value error, "),
            **({"given": _shown(item["input"])} if not isinstance(item["input"], dict) else {}),
            **({"limit": limit} if (limit := _limit(item.get("ctx", {}))) is not None else {}),
        }
        for item in error.errors(include_url=False)
    ]


def as_sentence(found: Sequence[Refusal]) -> str:
    """The same in one line, for a place that has only room for a text."""
    return "; ".join(
        f"{refusal['field']}: {refusal['message']}"
        + (f" (given: {refusal['given']!r})" if refusal.get("given") is not None else "")
        for refusal in found
    )


def _path(loc: Sequence[int | str], given: object, kind: str) -> str:
    parts = []
    at = given
    for number, part in enumerate(loc, start=1):
        if given is not None and not _leads_on(at, part):
            if number < len(loc) or kind not in _OF_A_NAME:
                continue  # a branch, not a field
        else:
            at = _below(at, part)
        parts.append(str(part))
    return ".".join(parts)


def _leads_on(at: object, part: int | str) -> bool:
    if isinstance(at, Mapping):
        return part in at
    return isinstance(at, list) and isinstance(part, int) and part < len(at)


def _below(at: Any, part: int | str) -> object:
    return at[part] if _leads_on(at, part) else None


def _shown(given: object) -> object:
    text = given if isinstance(given, str) else repr(given)
    return (
        given if isinstance(given, int | float | bool | None) else text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")
    )


def _limit(context: Mapping[str, Any]) -> object:
    return next((context[name] for name in _LIMITS if name in context), None)
