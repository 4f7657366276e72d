"""The tokens of compare-and-set: each write has a new one."""

import uuid
from itertools import count

_prefix = uuid.uuid4().hex
_counter = count()


def new_token() -> str:
    """A token that no process has used before. Cheaper than a UUID from the kernel for each write."""
    return f"{_prefix}-{next(_counter):x}"
