"""Why a request is refused, for the caller who wrote it: each field with its rule, its limit and what was given. Pure.

The answer stays small, whatever was given: it lists at most `MOST` fields and counts the others, and what it repeats of
the request (names, values) is shortened.
"""

import re
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from common.contracts.outbound.shape import BRANCH
from common.contracts.validation.wording import sentence

MOST: Final = 10
"""Fields that one answer lists, where the caller of `refusals` says nothing else."""

_SHOWN: Final = 80
_OF_A_PATH: Final = 200
_OF_A_MESSAGE: Final = 400
_BIG: Final = 1 << 64
_REPR: Final = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _SHOWN
_LIMITS: Final = ("max_length", "min_length", "le", "ge", "lt", "gt", "pattern", "expected")
_OF_A_NAME: Final = frozenset({"missing", "extra_forbidden"})
_NAMED: Final = re.compile(r"`([^`]+)`")

Refusal = dict[str, Any]


def refusals(
    error: ValidationError, given: object = None, *, model: type[BaseModel] | None = None, most: int = MOST
) -> list[Refusal]:
    """One entry per wrong field: `field`, `message`, `given` (shortened) and, where there is one, `limit`.

    There are at most `most` of them; one more entry then says in `omitted` how many are left out. A field's path is
    that of the JSON which the caller wrote: it leaves out the branches of our own unions (`BRANCH`) and, with what was
    `given` as a whole, the names that pydantic gives to other branches. With the `model` that was validated, a sentence
    names the fields that there are. A contradiction is an error of the whole: its field is the one that its sentence
    names first.
    """
    if most <= 0:  # to list errors is what costs
        return omitted(error.error_count())
    found = error.errors(include_url=False)
    shown = [_refusal(item, given, model) for item in found[:most]]
    return [*shown, *omitted(len(found) - most)] if len(found) > most else shown


def omitted(count: int) -> list[Refusal]:
    """The entry for `count` wrong fields that are not listed."""
    return [{"field": "", "message": f"{count} more errors are not listed", "omitted": count}]


def named(field: object, message: object) -> Refusal:
    """An entry of a field and a message that are not ours, shortened."""
    return {"field": shortened(str(field), _OF_A_PATH), "message": shortened(str(message))}


def shortened(text: str, most: int = _OF_A_MESSAGE) -> str:
    """At most `most` characters of a text, and an ellipsis where it goes on."""
    return text if len(text) <= most else text[:most] + "…"


def _refusal(item: Any, given: object, model: type[BaseModel] | None) -> Refusal:
    limit, message = _limit(item.get("ctx", {})), sentence(item, model)
    path = _path(item["loc"], given, item["type"]) if item["loc"] else _named_first(message)
    return {
        **named(path, message),
        **({"given": _shown(item["input"])} if not isinstance(item["input"], dict) else {}),
        **({"limit": limit} if limit is not None else {}),
    }


def as_sentence(found: Sequence[Refusal]) -> str:
    """The same in one line, for a place that has only room for a text."""
    return "; ".join(
        (f"{refusal['field']}: " if refusal["field"] else "")
        + refusal["message"]
        + (f" (given: {refusal['given']!r})" if refusal.get("given") is not None else "")
        for refusal in found
    )


def _named_first(message: str) -> str:
    found = _NAMED.search(message)
    return found[1] if found else ""


def _path(steps: Sequence[int | str], given: object, kind: str) -> str:
    parts = []
    at = given
    loc = [part for part in steps if not (isinstance(part, str) and part.startswith(BRANCH))]
    for number, part in enumerate(loc, start=1):
        if given is not None and not _leads_on(at, part):
            if number < len(loc) or kind not in _OF_A_NAME:
                continue  # a branch, not a field
        else:
            at = _below(at, part)
        parts.append(shortened(str(part), _SHOWN))
    return ".".join(parts)


def _leads_on(at: object, part: int | str) -> bool:
    if isinstance(at, Mapping):
        return part in at
    return isinstance(at, list) and isinstance(part, int) and part < len(at)


def _below(at: Any, part: int | str) -> object:
    return at[part] if _leads_on(at, part) else None


def _shown(given: object) -> object:
    if isinstance(given, float | bool | None) or (isinstance(given, int) and -_BIG < given < _BIG):
        return given
    return shortened(given if isinstance(given, str) else _REPR.repr(given), _SHOWN)


def _limit(context: Mapping[str, Any]) -> object:
    return next((context[name] for name in _LIMITS if name in context), None)
