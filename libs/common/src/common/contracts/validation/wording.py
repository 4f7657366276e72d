"""What an error of pydantic says to the caller who wrote the request: a sentence that says what to do. Pure.

Pydantic's own words speak of its types ("valid dictionary or instance of TextContent"). What a validator of ours
raises is a sentence already, and stays as it is.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from common.contracts.contacts import WRITE, recipient
from common.contracts.ids import CHATBOT_ID
from common.contracts.outbound.envelope import ENVELOPE
from common.contracts.outbound.shape import BRANCH
from common.contracts.validation.known_fields import choices_at, names_at, nearest

_OF_A_MESSAGE: Final = "messaging_product"
_SHOWN: Final = 60
_LISTED: Final = 12
_OF_META: Final = " of Meta"
_TIME: Final = "2026-11-01T09:30:00Z"
_PATTERNS: Final = {
    CHATBOT_ID: "1 to 128 letters, digits and . _ : - are allowed",
    r"^[0-9]{5,20}$": "give 5 to 20 digits",
}
_TYPES: Final = {
    "string": "give a string",
    "bool": "give true or false",
    "int": "give a whole number",
    "float": "give a number",
    "list": "give a list",
    "dict": "give an object",
    "datetime": f"give a time as in RFC 3339, for example {_TIME}",
}
_NO_MESSAGE: Final = frozenset({"message_type", "message_form"})
_KINDS: Final = {str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}
_LINK: Final = "https://shop.example/a"

EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "text": {"body": "Hello"},
        "image": {"link": f"{_LINK}.jpg"},
        "video": {"link": f"{_LINK}.mp4"},
        "document": {"link": f"{_LINK}.pdf"},
        "audio": {"link": f"{_LINK}.mp3"},
        "sticker": {"link": f"{_LINK}.webp"},
        "location": {"latitude": 52.5, "longitude": 13.4},
        "reaction": {"message_id": "wamid.HBgM", "emoji": "👍"},
        "contacts": {"contacts": [{"name": {"formatted_name": "Ada", "first_name": "Ada"}}]},
        "template": {"template": {"name": "order_shipped", "language": {"code": "en"}}},
        "read": {"message_id": "wamid.HBgM"},
    }
)
"""The smallest message of a kind, without its `type`. Interactive ones have no small one."""


def sentence(item: Any, model: type[BaseModel] | None = None) -> str:
    """For one of `ValidationError.errors()`; `model` is the one that was validated, to name what it has."""
    kind = item["type"]
    if item["loc"] == ("to",) and kind != "extra_forbidden":
        return _of_recipient(item)
    say = _SAYS.get(kind)
    if say is not None:
        return say(item, model)
    for type_name, words in _TYPES.items():
        if kind.startswith(f"{type_name}_"):
            return f"{words}, not {_kind_of(item['input'])}"
    return _own(item, model)


def example_of(kind: str, *, nested: bool = False) -> str:
    """The JSON of a small message of this kind, in the short form or in Meta's; empty when there is none."""
    content = EXAMPLES.get(kind)
    if content is None:
        return ""
    whole = {"type": kind, kind: content} if nested else {"type": kind, **content}
    return json.dumps(whole, ensure_ascii=False)


def _own(item: Any, model: type[BaseModel] | None) -> str:
    """A sentence of ours; where a `type` was to choose, with what may have been meant."""
    said: str = item["msg"].removeprefix("Value error, ")
    if item["type"] in _NO_MESSAGE:
        said += f"; for example {example_of('text')}"
    choices = choices_at(model, item["loc"])
    given = item["input"].get("type") if isinstance(item["input"], dict) else None
    if not choices or not isinstance(given, str):
        return said
    meant = nearest(given, choices)
    return f"the type `{given[:_SHOWN]}` is not known; " + (f"did you mean `{meant}`? " if meant else "") + said


def _of_recipient(item: Any) -> str:
    given, kind = item["input"], item["type"]
    if kind == "missing":
        return f"`to` is missing; {WRITE}"
    if not isinstance(given, str):
        quotes = " in quotes" if isinstance(given, int | float) and not isinstance(given, bool) else ""
        return f"give `to` as a string{quotes}, not as {_kind_of(given)}; {WRITE}"
    if kind == "string_too_long":
        return f"{_too_long(item, None)}; {WRITE}"
    if not given.strip():
        return f"`to` is empty; {WRITE}"
    try:
        recipient(given)
    except ValueError as error:
        return str(error)
    return _own(item, None)


def _missing(item: Any, model: type[BaseModel] | None) -> str:
    return f"`{item['loc'][-1]}` is missing" + _such_as(item["loc"], model)


def _unknown(item: Any, model: type[BaseModel] | None) -> str:
    name, known = str(item["loc"][-1]), names_at(model, item["loc"][:-1])
    meant = nearest(name, known)
    said = f"there is no field `{name[:_SHOWN]}` here"
    if meant is not None:
        return f"{said}; did you mean `{meant}`?"
    under = next((one for one in known if name in names_at(model, (*item["loc"][:-1], one))), None)
    if under is not None:
        return f"{said}; it belongs under `{under}`"
    return f"{said}; there is {_listed(known)}" if known else said


def _no_object(item: Any, model: type[BaseModel] | None) -> str:
    known = names_at(model, item["loc"])
    has = f" with {_listed(known)}" if known else ""
    return f"give an object{has}, not {_kind_of(item['input'])}" + _such_as(item["loc"], model)


def _such_as(loc: Sequence[int | str], model: type[BaseModel] | None) -> str:
    """An example of the message that an error is about, if it is about the message's own content."""
    if loc == ("message",):
        return "; give a string (a text) or an object with a `type`" + f", for example {example_of('text')}"
    tags = [place for place, step in enumerate(loc) if str(step).startswith(BRANCH)]
    if model is None or len(tags) != 2 or loc[0] != "message":  # of the form, and of the kind
        return ""
    kind = str(loc[tags[1]]).removeprefix(BRANCH)
    nested = kind.endswith(_OF_META)
    if len(loc) - 1 - tags[1] > 1 + nested:
        return ""
    example = example_of(kind.removesuffix(_OF_META), nested=nested and kind != f"read{_OF_META}")
    return f"; for example {example}" if example else ""


def _listed(names: Sequence[str]) -> str:
    content = [name for name in names if name not in ENVELOPE] if _OF_A_MESSAGE in names else list(names)
    more = ", …" if len(content) > _LISTED else ""
    return ", ".join(f"`{name}`" for name in content[:_LISTED]) + more


def _too_short(item: Any, _: object) -> str:
    least = item["ctx"]["min_length"]
    return (
        "it must not be empty"
        if least == 1
        else f"it has {len(item['input'])} {_of_what(item)}; at least {least} are needed"
    )


def _too_long(item: Any, _: object) -> str:
    return f"it has {len(item['input'])} {_of_what(item)}; at most {item['ctx']['max_length']} are allowed"


def _of_what(item: Any) -> str:
    return "characters" if isinstance(item["input"], str) else "items"


def _pattern(item: Any, _: object) -> str:
    pattern = item["ctx"]["pattern"]
    return _PATTERNS.get(pattern, f"it has to match {pattern}")


def _literal(item: Any, _: object) -> str:
    return f"give {item['ctx']['expected']}"


def _kind_of(given: object) -> str:
    if given is None:
        return "null"
    if isinstance(given, bool):
        return str(given).lower()
    return next((name for kind, name in _KINDS.items() if isinstance(given, kind)), type(given).__name__)


_SAYS: Final[Mapping[str, Callable[[Any, type[BaseModel] | None], str]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "model_type": _no_object,
    "model_attributes_type": _no_object,
    "string_too_short": _too_short,
    "string_too_long": _too_long,
    "too_short": _too_short,
    "too_long": _too_long,
    "string_pattern_mismatch": _pattern,
    "literal_error": _literal,
    "greater_than_equal": lambda item, _: f"it has to be at least {item['ctx']['ge']}",
    "less_than_equal": lambda item, _: f"it has to be at most {item['ctx']['le']}",
    "timezone_aware": lambda *_: f"give the time with its zone: `Z` for UTC, or an offset; for example {_TIME}",
}
