"""A short name for what happened, made for people: nothing is decided by it."""

import os
import ssl
from collections.abc import Iterator
from typing import Final

_DEEPEST: Final = 8


def reason_of(error: BaseException) -> str:
    """What the system said (`Connection refused`), or why TLS failed, or the error's class.

    Never an error's own text: it may repeat what the server sent, or our token.
    """
    for cause in reversed(list(_chain(error))):  # the innermost is what happened
        if isinstance(cause, ssl.SSLError):  # its errno is the library's own, and `reason` is not always there
            return getattr(cause, "reason", None) or type(cause).__name__
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
            return os.strerror(cause.errno)
    return type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(_DEEPEST):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__
