"""Every kind of message that Meta sends for a business, with Meta's limits.

The objects keep Meta's own snake_case names, so that examples from Meta's pages work as they stand. Limits are those
of Meta's pages on each message type (Cloud API, "Messages"); an error names the field, the limit and what was given.
"""

from typing import Annotated

from pydantic import Field

from common.contracts.outbound.basic import Contacts, Location, MarkAsRead, Reaction, Text
from common.contracts.outbound.interactive import Interactive
from common.contracts.outbound.media import Audio, Document, Image, Sticker, Video
from common.contracts.outbound.template import Template

TypedMessage = Annotated[
    Text
    | Image
    | Video
    | Document
    | Audio
    | Sticker
    | Location
    | Contacts
    | Reaction
    | Interactive
    | Template
    | MarkAsRead,
    Field(discriminator="type"),
]
"""A message object; `type` says which."""

__all__ = [
    "Audio",
    "Contacts",
    "Document",
    "Image",
    "Interactive",
    "Location",
    "MarkAsRead",
    "Reaction",
    "Sticker",
    "Template",
    "Text",
    "TypedMessage",
    "Video",
]
