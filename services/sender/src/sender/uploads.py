"""Which links of a message the sender shall upload, and the message with ids in their places: pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from common.contracts.outbound import TypedMessage
from common.contracts.outbound.media import Source
from common.contracts.sends import SendRequest
from common.meta.media_rules import Kind


@dataclass(frozen=True, slots=True)
class Linked:
    """A link, and what its file is to be shown as."""

    kind: Kind
    link: str


def links_of(message: TypedMessage) -> list[Linked]:
    """Every link with `upload` in the message, its headers, cards and parameters: each once, in order."""
    return list(dict.fromkeys(_found(message, message.type)))


def with_ids(request: SendRequest, ids: Mapping[Linked, str]) -> SendRequest:
    """The request with media ids in place of these links."""
    message = request.typed()
    return request.model_copy(update={"message": _changed(message, message.type, ids)})


def _found(value: Any, name: str) -> Iterator[Linked]:
    if isinstance(value, Source):
        if value.upload and value.link is not None:
            yield Linked(_kind(name), value.link)
    elif isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _found(getattr(value, field), field)
    elif isinstance(value, list):
        for item in value:
            yield from _found(item, name)


def _changed(value: Any, name: str, ids: Mapping[Linked, str]) -> Any:
    if isinstance(value, Source):
        media_id = ids.get(Linked(_kind(name), value.link)) if value.upload and value.link else None
        return value.model_copy(update={"id": media_id, "link": None, "upload": False}) if media_id else value
    if isinstance(value, BaseModel):
        fields = {field: getattr(value, field) for field in type(value).model_fields}
        return value.model_copy(update={field: _changed(inner, field, ids) for field, inner in fields.items()})
    if isinstance(value, list):
        return [_changed(item, name, ids) for item in value]
    return value


def _kind(name: str) -> Kind:
    """A media object stands under the name of its kind; what templates call a gif is a video (Meta, "GIF headers")."""
    return Kind.VIDEO if name == "gif" else Kind(name)
