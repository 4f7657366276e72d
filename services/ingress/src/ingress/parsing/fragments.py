"""Parts of a body as bytes: whether they fit into a record, and what is left beside the parts. Pure."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import msgspec

from common.meta.lenient import BAD

MOST_LEVELS: Final = 750
"""How deep a fragment is nested at most: what every reader of its record can parse.

Python 3.11 gives up at a thousand levels of JSON and calls together, and there are some around a fragment. Later
versions go much deeper: so this limit is ours, and not that of the Python that runs here.
"""

SHALLOW_BYTES: Final = 2 * MOST_LEVELS
"""Up to this length a fragment needs no `check_depth`, because each level has two brackets."""

_LARGE_REST_BYTES: Final = 16 * 1024  # up to this an object is taken apart: the members of a larger one take megabytes

_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # as signed bytes: one more, one less
_OTHERS: Final = bytes(set(range(256)) - set(b'[{]}"'))

_SKIP: Final = msgspec.json.Decoder(msgspec.Raw)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def check_depth(raw: bytes) -> None:
    """Raises `RecursionError` when valid JSON is nested too deeply for the readers of its record."""
    if raw.count(b"[") + raw.count(b"{") > MOST_LEVELS and (levels := depth_of(raw)) > MOST_LEVELS:
        raise RecursionError(f"it is nested {levels} levels deep, and {MOST_LEVELS} can be read")


def depth_of(raw: bytes) -> int:
    """How many objects and lists of valid JSON are inside one another, in time that grows with its length alone."""
    without_escapes = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    steps = without_escapes.translate(_STEPS, _OTHERS)
    outside_of_texts = b"".join(steps.split(b'"')[::2])
    return max(accumulate(memoryview(outside_of_texts).cast("b")), default=0)


def is_json(raw: bytes) -> bool:
    """Whether the bytes can be inside a record as they are: valid JSON in valid UTF-8, not too deep.

    No objects are built, because those of 3 MB of JSON take a hundred.
    """
    try:
        raw.decode()
        _SKIP.decode(raw)
        check_depth(raw)
    except BAD:
        return False
    return bool(raw.strip())


def remainder_of(raw: bytes | msgspec.Raw, name: str, member: msgspec.Raw) -> msgspec.Raw:
    """An object without its `member` of this name, which has records of its own; each value as Meta wrote it.

    An object that is large without it, or whose names are not Unicode, is returned whole.
    """
    if len(bytes(raw).strip()) - len(member) > _LARGE_REST_BYTES:
        return msgspec.Raw(raw)
    try:
        members = _MEMBERS.decode(raw)
    except BAD:
        return msgspec.Raw(raw)
    members.pop(name, None)
    return msgspec.Raw(msgspec.json.encode(members))


def list_of(parts: Sequence[msgspec.Raw]) -> msgspec.Raw:
    """The parts as one JSON array."""
    return msgspec.Raw(msgspec.json.encode(parts))
