"""Images, sound, videos, files and stickers: by uploaded `id`, or by a `link`.

Meta fetches a link itself, once in about ten minutes and without following redirects. With `upload` the sender fetches
it instead, uploads it once and sends the id: until shortly before Meta forgets the id (30 days), what is behind the
link is not looked at again. New content needs a new link.
"""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from common.contracts.outbound.envelope import Sent
from common.contracts.outbound.shape import MAX_CAPTION, Link, MetaId, Shape


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
    """A file; `filename` is what the recipient sees."""

    filename: Annotated[str | None, Field(max_length=240)] = None


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
