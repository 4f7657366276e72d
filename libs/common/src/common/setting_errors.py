"""What is wrong with the settings: one sentence for each variable, with its name and its format. Pure.

A sentence never holds what was given, because that may be a secret.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsError

_NAMED: Final = re.compile(r"([A-Z][A-Z0-9_]+): ")
_FIELD: Final = re.compile(r'field "(\w+)"')  # the error of pydantic-settings has the name in its text alone
_FOUND_MAX: Final = 3


def complaints(error: ValidationError, settings: type[BaseSettings]) -> Iterator[str]:
    """A sentence for each variable that is missing or wrong."""
    found: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False, include_input=False):
        name, said = _problem(problem)
        found.setdefault(name, []).append(said)
    for name, all_said in found.items():
        shown = "; ".join(all_said[:_FOUND_MAX])
        yield f"{f'{name}: ' if name else ''}{shown}{_expected(name, settings.model_fields)}"


def not_json(error: SettingsError, settings: type[BaseSettings]) -> str:
    """The sentence for a variable that must be JSON and is not."""
    named = _FIELD.search(str(error))
    if named is None:
        return str(error)
    name = named[1].upper()
    return f"{name}: it is not JSON (in `.env`, put it in single quotes){_expected(name, settings.model_fields)}"


def _problem(problem: Mapping[str, Any]) -> tuple[str, str]:
    """The variable, if one is named, and what is wrong with it."""
    said = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:  # of several settings together; the first variable that it names is the one
        named = _NAMED.match(said)
        return (named[1], said[named.end() :]) if named else ("", said)
    first, *place = map(str, problem["loc"])
    return first.upper(), f"{'.'.join(place)}: {said}" if place else said


def _expected(name: str, fields: Mapping[str, FieldInfo]) -> str:
    field = fields.get(name.lower())
    return f"; expected: {field.description}" if field is not None and field.description else ""
