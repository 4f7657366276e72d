"""Images, sound, videos, files and stickers: by uploaded `id`, or by a `link`.

Meta fetches a link itself, once in about ten minutes and without following redirects. With `upload` the sender fetches
it instead, uploads it once and sends the id: until shortly before Meta forgets the id (30 days), what is behind the
link is not looked at again. New content needs a new link.
"""

import re
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import unquote

from pydantic import ConfigDict, Field, model_validator

from common.contracts.outbound.envelope import Sent
from common.contracts.outbound.shape import MAX_CAPTION, Link, MetaId, Shape

_FILE_NAME: Final = re.compile(r".{1,200}\.([A-Za-z][A-Za-z0-9]{0,7})")
_PAGES: Final = frozenset({"php", "asp", "aspx", "jsp", "cgi", "do", "html", "htm"})
_PATH_ALONE: Final = re.compile(r"^[A-Za-z]+://[^/?#]*|[?#].*", re.DOTALL)


def is_file_name(name: str) -> bool:
    """Whether a name is one that people know a file by: the last step of a link may be an id, a secret or a script."""
    found = _FILE_NAME.fullmatch(name)
    return found is not None and found[1].lower() not in _PAGES


def name_of_link(link: object) -> str | None:
    """The file name that a link ends in; None when it has none."""
    if not isinstance(link, str):
        return None
    name = unquote(_PATH_ALONE.sub("", link)).rpartition("/")[2]
    return name if name.isprintable() and is_file_name(name) else None


class Source(Shape):
    """Exactly one of `id` and `link`. `upload` has the sender fetch the link, not Meta."""

    id: MetaId | None = None
    link: Link | None = None
    # Ours, not Meta's: no dump shows it.
    upload: Annotated[bool, Field(exclude=True)] = False

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.id is None) == (self.link is None):
            raise ValueError("give exactly one of `id` (uploaded media) and `link` (an http(s) URL)")
        if self.upload and self.link is None:
            raise ValueError("`upload` needs a `link`: what has an `id` is uploaded already")
        return self


class FileSource(Source):
    """A file; `filename` is what the recipient sees.

    Without one WhatsApp shows "Untitled", so a link gives its own: the last step of its path, if that is a file's name.
    """

    filename: Annotated[str | None, Field(max_length=240)] = None

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_link(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("filename") is not None or given.get("upload"):
            return given  # what is uploaded may have a better name: the one that its server tells
        name = name_of_link(given.get("link"))
        return {**given, "filename": name} if name else given


class PartSource(Source):
    """The media of a header or a template's parameter, which Meta adds fields to."""

    model_config = ConfigDict(extra="allow", frozen=True)


class PartFile(FileSource):
    """The file of a header or a template's parameter, which Meta adds fields to."""

    model_config = ConfigDict(extra="allow", frozen=True)


Caption = Annotated[str | None, Field(max_length=MAX_CAPTION)]


class CaptionedSource(Source):
    """An image or a video with an optional caption."""

    caption: Caption = None


class DocumentContent(FileSource):
    """A file with an optional caption."""

    caption: Caption = None


class AudioContent(Source):
    """A sound file, or a voice note when `voice` is set."""

    voice: bool = False


class Image(CaptionedSource, Sent):
    """An image with an optional caption."""

    type: Literal["image"]


class Video(CaptionedSource, Sent):
    """A video with an optional caption."""

    type: Literal["video"]


class Document(DocumentContent, Sent):
    """A file with an optional caption."""

    type: Literal["document"]


class Audio(AudioContent, Sent):
    """A sound file, or a voice note when `voice` is set."""

    type: Literal["audio"]


class Sticker(Source, Sent):
    """A sticker."""

    type: Literal["sticker"]
