"""Which uploaded files a message to send names: pure; the body has passed `check_message`."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

MEDIA_TYPES = frozenset({"image", "video", "document", "audio", "sticker"})
_HOLDERS = MEDIA_TYPES | {"gif"}


def media_ids(kind: str, body: Json) -> Iterator[str]:
    """Media ids of the message itself, of an interactive header or card, and of a template's parameters."""
    if kind in MEDIA_TYPES:
        yield from _held(body)
    elif kind == "interactive":
        interactive = body[kind]
        cards = interactive["action"].get("cards", []) if interactive["type"] == "carousel" else []
        for holder in (interactive, *cards):
            yield from _held(holder.get("header"))
    elif kind == "template":
        yield from _of_components(body[kind].get("components", []))


def _of_components(components: list[Json]) -> Iterator[str]:
    for component in components:
        if str(component["type"]).lower() == "carousel":
            for card in component["cards"]:
                yield from _of_components(card["components"])
        else:
            for parameter in component.get("parameters", []):
                yield from _held(parameter)


def _held(holder: Any) -> Iterator[str]:
    """Ids in `{image: {id}}` and its like."""
    for kind in _HOLDERS & holder.keys() if isinstance(holder, dict) else ():
        if isinstance(holder[kind], dict) and "id" in holder[kind]:
            yield str(holder[kind]["id"])
