"""Parts of a body as bytes: whether they fit into a record, and what is left beside the parts. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from common.meta.lenient import BAD

_LEVELS_AROUND: Final = 200  # of JSON and of calls, where a record is read that has the fragment in it
_LARGE_REST_BYTES: Final = 16 * 1024  # up to this an object is taken apart: the members of a larger one take megabytes

_SKIP: Final = msgspec.json.Decoder(msgspec.Raw)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def check_depth(raw: bytes) -> None:
    """Raises one of `BAD` when the fragment is nested too deeply for the readers of its record."""
    _SKIP.decode(b"[" * _LEVELS_AROUND + raw + b"]" * _LEVELS_AROUND)


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
