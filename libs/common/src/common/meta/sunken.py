"""A body of which one part is nested too deeply to be read or skipped: the part is taken out, and the rest can be read.

Readers of JSON go down into what they skip, and give up at some level: below a thousand on Python 3.11, and later at
ten thousand or more. Pure.
"""

import re
from typing import Final

from common.meta.broken_text import Marked, marked, new_mark

_LEVELS: Final = 100  # of the body: Meta's own have about twelve
_MAX_BYTES: Final = 256 * 1024
"""Of a body that is looked at: each bracket of it is counted in Python, and others wait meanwhile."""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def shallow(body: bytes) -> Marked | None:
    """The body with each object or list below 100 levels marked, and its lone surrogates too.

    None when there is no such part, or the body is large.
    """
    if len(body) > _MAX_BYTES:
        return None
    parts = _deep_parts(body)
    if not parts:
        return None
    mark, pieces, end = new_mark(body), list[bytes](), 0
    for number, (start, stop) in enumerate(parts):
        pieces += [body[end:start], b'"%s%d"' % (mark, number)]
        end = stop
    without = b"".join([*pieces, body[end:]])
    torn = marked(without, mark)
    return Marked(torn.body if torn else without, mark, tuple(body[start:stop] for start, stop in parts))


def _deep_parts(body: bytes) -> list[tuple[int, int]]:
    """Where the outermost objects and lists below the limit begin and end; one without an end is none."""
    parts, level, start = list[tuple[int, int]](), 0, 0
    for found in _TOKEN.finditer(body):
        sign = body[found.start()]
        if sign in b"[{":
            if level == _LEVELS:
                start = found.start()
            level += 1
        elif sign in b"]}":
            level -= 1
            if level == _LEVELS:
                parts.append((start, found.end()))
    return parts
