"""The vocabulary of request checks: each takes a JSON object and a path, and raises the `GraphError` Meta gives.

A missing field is 131008, a value of the wrong kind or unknown name is 100 or 131009 as the caller says, and a text
beyond its limit is 100 outside interactive messages and 131009 inside them.
"""

from collections.abc import Collection
from typing import Any

from graph_emulator.graph_errors import GraphError

Json = dict[str, Any]

MISSING = 131008
INVALID = 131009
PARAMETER = 100


def need(parent: Json, key: str, path: str = "") -> Any:
    """`parent[key]`, which must be there; 131008 otherwise."""
    value = parent.get(key)
    if value is None:
        raise GraphError(MISSING, f"The parameter {_at(path, key)} is required.")
    return value


def need_object(parent: Json, key: str, path: str = "") -> Json:
    """A JSON object that must be there."""
    value = need(parent, key, path)
    if not isinstance(value, dict):
        raise GraphError(PARAMETER, f"Param {_at(path, key)} must be a JSON object.")
    return value


def need_list(parent: Json, key: str, path: str, *, least: int = 1, most: int, code: int = INVALID) -> list[Any]:
    """A JSON array with `least` to `most` items."""
    value = need(parent, key, path)
    if not isinstance(value, list):
        raise GraphError(PARAMETER, f"Param {_at(path, key)} must be an array.")
    if not least <= len(value) <= most:
        raise GraphError(code, f"{_at(path, key)} must have {least} to {most} items, got {len(value)}.")
    return value


def objects(items: list[Any], path: str) -> list[tuple[str, Json]]:
    """Each item with its path; all of them must be JSON objects."""
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise GraphError(PARAMETER, f"Param {path}[{number}] must be a JSON object.")
    return [(f"{path}[{number}]", item) for number, item in enumerate(items)]


def need_text(parent: Json, key: str, path: str, most: int, code: int = PARAMETER) -> str:
    """A text of 1 to `most` characters that must be there."""
    need(parent, key, path)
    text = text_if_given(parent, key, path, most, code)
    if not text:
        raise GraphError(code, f"Param {_at(path, key)} must not be empty.")
    return text


def text_if_given(parent: Json, key: str, path: str, most: int, code: int = PARAMETER) -> str:
    """A text of at most `most` characters; an absent one reads as empty."""
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise GraphError(PARAMETER, f"Param {_at(path, key)} must be a string.")
    if len(value) > most:
        raise GraphError(code, f"Param {_at(path, key)} must be at most {most} characters long, got {len(value)}.")
    return value


def flag_if_given(parent: Json, key: str, path: str) -> None:
    """A boolean, if it is there at all."""
    if not isinstance(parent.get(key, False), bool):
        raise GraphError(PARAMETER, f"Param {_at(path, key)} must be a boolean.")


def one_of(value: Any, allowed: Collection[str], path: str, code: int = PARAMETER) -> str:
    """`value`, which must be one of `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        raise GraphError(code, f"Param {path} must be one of {{{', '.join(sorted(allowed))}}} - got {value!r}.")
    return value


def known_keys(parent: Json, allowed: Collection[str], path: str = "") -> None:
    """Allow only `allowed` keys, so that a misspelt parameter is refused, not ignored."""
    for key in parent:
        if key not in allowed:
            raise GraphError(PARAMETER, f'Unexpected key "{key}" on param "{path or "request"}".')


def web_link(value: str, path: str) -> None:
    """An absolute http(s) address; its scheme may be in any case."""
    if not value.lower().startswith(("https://", "http://")):
        raise GraphError(INVALID, f"Param {path} must be an http or https URL.")


def _at(path: str, key: str) -> str:
    return f"{path}['{key}']" if path else f"'{key}'"
