"""An exception as text for a log: where it happened and what it says, unless that may quote what people wrote.

Some errors show what they were given: MongoDB's refusals have the document in them, pydantic's the value. The
module that imports such a library says so once (`quotes`); of those errors a log has the type and what `describe` says.
"""

import traceback
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

_quoting: dict[type[BaseException], Callable[[Any], str]] = {}


def quotes(kind: type[BaseException], describe: Callable[[Any], str]) -> None:
    """From now on logs have `describe(error)` in place of the text of errors of this kind."""
    _quoting[kind] = describe


def text_of(error: BaseException) -> str:
    """What the error says, fit for a log."""
    for kind, describe in _quoting.items():
        if isinstance(error, kind):
            return describe(error)
    return str(error)


def traceback_of(error: BaseException) -> str:
    """The traceback with its causes, the first cause first, as Python prints it."""
    return "".join(_parts(error, set()))


def _parts(error: BaseException, seen: set[int]) -> list[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    parts = []
    if before is not None and id(before) not in seen:
        link = "The cause of what follows." if error.__cause__ else "While that was handled:"
        parts += [*_parts(before, seen), f"\n{link}\n\n"]
    if error.__traceback__ is not None:
        parts += ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
    said = text_of(error)
    parts.append(f"{type(error).__module__}.{type(error).__qualname__}{': ' + said if said else ''}\n")
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        if id(inner) not in seen:
            parts += ["one of its exceptions:\n", *_parts(inner, seen)]
    return parts


quotes(ValidationError, lambda error: f"{error.error_count()} values of {error.title} are not as expected")
