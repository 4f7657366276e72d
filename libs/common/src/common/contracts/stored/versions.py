"""In which form documents are stored. Pure.

A document says its form in one field, and one without it is in form 1. `common.mongo.migrations` changes documents from
one form to the next.
"""

from typing import Final

VERSION: Final = "v"

OF_MESSAGES: Final = 2
"""Form 2: a message has a `timestamp`."""
