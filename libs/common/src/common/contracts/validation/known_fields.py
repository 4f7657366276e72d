"""Which names a model has at one place of its JSON, to say what a caller may have meant. Pure.

Pydantic's errors name the place and not the model there. The model's own core schema knows both; it is walked only
when something is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from common.contracts.outbound.shape import BRANCH

_LONGEST: Final = 64
"""Characters of a name that is compared: to compare costs the product of two lengths."""

_NEAR: Final = 0.7

_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("url", "uri", "href", "src", "mediaurl", "imageurl", "fileurl", "videourl"), ("link",)),
    **dict.fromkeys(("mediaid", "media", "handle"), ("id",)),
    **dict.fromkeys(("text", "content", "message", "msg"), ("body", "message", "text")),
    **dict.fromkeys(("lat",), ("latitude",)),
    **dict.fromkeys(("lng", "lon", "long"), ("longitude",)),
    **dict.fromkeys(("phone", "phonenumber", "number", "recipient", "waid"), ("to",)),
    **dict.fromkeys(("bot", "botid", "chatbot"), ("chatbotId",)),
    **dict.fromkeys(("picture", "photo"), ("image",)),
    **dict.fromkeys(("file", "pdf"), ("document",)),
    **dict.fromkeys(("voice", "sound"), ("audio",)),
    **dict.fromkeys(("gif", "movie"), ("video",)),
    **dict.fromkeys(("buttons",), ("button",)),
}
"""Names that other interfaces have for ours, without their case and separators."""


def nearest(given: str, known: Sequence[str]) -> str | None:
    """The one of `known` that was probably meant; None when none is near."""
    if len(given) > _LONGEST:
        return None
    plain = {_plain(name): name for name in reversed(known)}
    wanted = _plain(given)
    if wanted in plain:
        return plain[wanted]
    for name in _ALSO.get(wanted, ()):
        if name in known:
            return name
    close = get_close_matches(wanted, plain, n=1, cutoff=_NEAR)
    return plain[close[0]] if close else None


def names_at(model: type[BaseModel] | None, steps: Sequence[int | str]) -> tuple[str, ...]:
    """The names of the fields of the object at a pydantic `loc`; empty where the schema names none."""
    node = _node(model, steps)
    if node is None or node["type"] != "model-fields":
        return ()
    return tuple(_alias(name, field) for name, field in node["fields"].items())


def choices_at(model: type[BaseModel] | None, steps: Sequence[int | str]) -> tuple[str, ...]:
    """What the `type` of the object at a pydantic `loc` may be; empty where no `type` decides."""
    node = _node(model, steps)
    if node is None or node["type"] != "tagged-union":
        return ()
    tags = (str(tag).removeprefix(BRANCH) for tag in node["choices"])
    return tuple(tag for tag in tags if " " not in tag)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _alias(name: str, field: Mapping[str, Any]) -> str:
    alias = field.get("validation_alias")
    return alias if isinstance(alias, str) else name


@cache
def _definitions(model: type[BaseModel]) -> Mapping[str, Any]:
    schema: Any = model.__pydantic_core_schema__
    return {one["ref"]: one for one in schema.get("definitions", ())}


def _node(model: type[BaseModel] | None, steps: Sequence[int | str]) -> Any:
    """The part of the core schema at `steps`, without what is wrapped around it; None: it has no such place."""
    node: Any = None if model is None else model.__pydantic_core_schema__
    left = list(steps)
    while node is not None:
        kind = node["type"]
        if kind == "definition-ref":
            node = _definitions(model)[node["schema_ref"]]
        elif kind in _STEPS and left:
            node = _STEPS[kind](node, left.pop(0))
        elif kind in _STEPS or "schema" not in node:
            return node
        else:
            node = node["schema"]
    return None


def _field(node: Any, step: int | str) -> Any:
    found = (field["schema"] for name, field in node["fields"].items() if step in {name, _alias(name, field)})
    return next(found, None)


_STEPS: Final[Mapping[str, Callable[[Any, int | str], Any]]] = {
    "model-fields": _field,
    "tagged-union": lambda node, step: node["choices"].get(step),
    "list": lambda node, _: node.get("items_schema"),
}
