"""How a command ends when it cannot do what it was asked: one sentence, and an exit code."""

from typing import ClassVar


class Failed(Exception):
    """Something outside is not as it must be. The message says what, and what to do about it."""

    exit_code: ClassVar[int] = 1


class Usage(Failed):
    """The arguments do not go together."""

    exit_code: ClassVar[int] = 2


class Refused(Failed):
    """It could be done, and must not be."""

    exit_code: ClassVar[int] = 3
