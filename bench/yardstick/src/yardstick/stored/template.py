"""Documents made from those of another turn: BSON in which bytes of equal length are replaced. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import bson


def packed(value: str | datetime) -> bytes:
    """A value as it stands in BSON."""
    encoded: bytes = bson.encode({"": value})
    return value.encode() if isinstance(value, str) else encoded[6:14]


class Template:
    """One document with slots: wherever one of `values` stands in it. Values that are made later have to be as long."""

    def __init__(self, document: Mapping[str, Any], values: Sequence[str | datetime]) -> None:
        slots = [packed(value) for value in values]
        self._widths = [len(slot) for slot in slots]
        # The longest first, because a short value may be a part of a longer one.
        order = sorted(range(len(slots)), key=lambda nth: -len(slots[nth]))
        found = re.compile(b"|".join(re.escape(slots[nth]) for nth in order), re.DOTALL)
        data = bson.encode(document)
        self._parts: list[bytes | int] = []
        end = 0
        for match in found.finditer(data):
            self._parts += [data[end : match.start()], slots.index(match[0])]
            end = match.end()
        self._parts.append(data[end:])

    def filled(self, values: Sequence[bytes]) -> bytes:
        """The document with other values in the slots."""
        return b"".join(part if isinstance(part, bytes) else values[part] for part in self._parts)

    def fits(self, values: Sequence[bytes]) -> bool:
        """Whether the values have the lengths of those that they replace."""
        return [len(value) for value in values] == self._widths
