"""The links of a message that the sender uploads, and the message with media ids in their places. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from common.contracts.outbound import TypedMessage
from common.contracts.outbound.media import FileSource, Source, is_file_name
from common.contracts.sends import SendRequest
from common.meta.media.rules import Kind


@dataclass(frozen=True, slots=True)
class Linked:
    """A link, and the kind as which its file is shown."""

    kind: Kind
    link: str


@dataclass(frozen=True, slots=True)
class Ready:
    """An uploaded link: its media id, and the name of its file (empty: it has none)."""

    id: str
    name: str = ""


def links_of(message: TypedMessage) -> list[Linked]:
    """Every link with `upload` in the message, its headers, cards and parameters: each once, in order."""
    return list(dict.fromkeys(_found(message, message.type)))


def with_ids(request: SendRequest, ids: Mapping[Linked, str]) -> SendRequest:
    """The request with media ids in place of these links."""
    return with_uploads(request, {linked: Ready(media_id) for linked, media_id in ids.items()})


def with_uploads(request: SendRequest, ready: Mapping[Linked, Ready]) -> SendRequest:
    """The request with uploads in place of these links.

    A file without a given name gets the one from its link, because a media id alone has no name.
    """
    message = request.typed()
    return request.model_copy(update={"message": _changed(message, message.type, ready)})


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


def _changed(value: Any, name: str, ids: Mapping[Linked, Ready]) -> Any:
    if isinstance(value, Source):
        ready = ids.get(Linked(_kind(name), value.link)) if value.upload and value.link else None
        return value.model_copy(update=_in_place_of(value, ready)) if ready else value
    if isinstance(value, BaseModel):
        fields = {field: getattr(value, field) for field in type(value).model_fields}
        return value.model_copy(update={field: _changed(inner, field, ids) for field, inner in fields.items()})
    if isinstance(value, list):
        return [_changed(item, name, ids) for item in value]
    return value


def _in_place_of(source: Source, ready: Ready) -> dict[str, Any]:
    update = {"id": ready.id, "link": None, "upload": False}
    is_nameless = isinstance(source, FileSource) and source.filename is None and is_file_name(ready.name)
    return {**update, "filename": ready.name} if is_nameless else update


def _kind(name: str) -> Kind:
    """The kind of a media object is its field name; a template's "gif" is a video (Meta, "GIF headers")."""
    return Kind.VIDEO if name == "gif" else Kind(name)
