"""How a call to Meta ended, as a value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answered:
    """An HTTP answer, complete."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request provably never left; `reason` is a short name."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """The request may have been taken; `reason` is a short name."""

    reason: str


CallEnd = Answered | NotSent | Unclear
