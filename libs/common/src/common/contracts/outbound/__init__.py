"""Every kind of message that Meta sends for a business, with Meta's limits.

The objects keep Meta's own snake_case names, so that examples from Meta's pages work as they stand, in Meta's form or
in the shorter one (`nested`). Limits are those of Meta's pages on each message type (Cloud API, "Messages"); an error
names the field, the limit and what was given. Objects that Meta keeps adding to are open: what is not known here goes
to Meta as it was given.
"""

from common.contracts.outbound.basic import Contacts, Location, MarkAsRead, Pin, Reaction, Text
from common.contracts.outbound.interactive import Interactive
from common.contracts.outbound.media import Audio, Document, Image, Sticker, Video
from common.contracts.outbound.nested import TypedMessage, plain_json
from common.contracts.outbound.template import Template

__all__ = [
    "Audio",
    "Contacts",
    "Document",
    "Image",
    "Interactive",
    "Location",
    "MarkAsRead",
    "Pin",
    "Reaction",
    "Sticker",
    "Template",
    "Text",
    "TypedMessage",
    "Video",
    "plain_json",
]
