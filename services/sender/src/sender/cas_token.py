"""The tokens of compare-and-set: a new one with every write."""

import uuid
from itertools import count

_prefix = uuid.uuid4().hex
_counter = count()


def new_token() -> str:
    """Never given before, by this or by any other process; cheaper than asking the kernel for a UUID each time."""
    return f"{_prefix}-{next(_counter):x}"
