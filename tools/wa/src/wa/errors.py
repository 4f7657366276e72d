"""How a command ends when it cannot do what it was asked: one sentence, and an exit code."""

from typing import ClassVar

from common.mongo import OperationFailure
from common.telemetry.safe_errors import text_of


class Failed(Exception):
    """Something outside is not as it must be. The message says what, and what to do about it."""

    exit_code: ClassVar[int] = 1


class Usage(Failed):
    """The arguments do not go together."""

    exit_code: ClassVar[int] = 2


class Refused(Failed):
    """It could be done, and must not be."""

    exit_code: ClassVar[int] = 3


def mongodb_away(error: BaseException) -> tuple[str, str]:
    """What a failure of MongoDB means, and how to mend it: it refuses, or does not answer."""
    cause = error.__cause__ or error
    if isinstance(cause, OperationFailure):
        mend = "look at the user and password in MONGODB_URI, at authSource, and at what the user may do"
        return f"it refuses ({text_of(cause)})", mend
    mend = "start it, or mend MONGODB_URI (a replica set's) and the network policy in between"
    return f"it does not answer ({type(cause).__name__})", mend
