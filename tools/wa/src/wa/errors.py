"""How a command ends when it cannot do what it was asked: one sentence, and an exit code."""

from typing import ClassVar

from common.mongo import OperationFailure
from common.telemetry.safe_errors import text_of


class Failed(Exception):
    """Something outside of this program is wrong. The message says what, and what to do about it."""

    exit_code: ClassVar[int] = 1


class Usage(Failed):
    """The arguments contradict each other."""

    exit_code: ClassVar[int] = 2


class SettingsWrong(Failed):
    """Settings are missing or wrong, and the operator has been told which."""

    exit_code: ClassVar[int] = 2


class Refused(Failed):
    """The command could do it, but must not."""

    exit_code: ClassVar[int] = 3


def mongodb_away(error: BaseException) -> tuple[str, str]:
    """What a failure of MongoDB means (it refuses, or does not answer), and how to fix it."""
    cause = error.__cause__ or error
    if isinstance(cause, OperationFailure):
        remedy = "check the user, the password and authSource in MONGODB_URI, and the rights of the user"
        return f"it refuses ({text_of(cause)})", remedy
    remedy = "start it, or correct MONGODB_URI (it names a replica set) and the network policy in between"
    return f"it does not answer ({type(cause).__name__})", remedy
