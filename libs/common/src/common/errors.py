"""The errors that cross the border of a package, as one tree.

    AppError                    status, code, and a sentence that says what to do
    ├── InvalidInput     400    the caller's request cannot be understood or is out of bounds
    ├── Unauthenticated  401    no API key, or an unknown one
    ├── Forbidden        403    a known key without the scope
    ├── NotFound         404
    ├── Conflict         409
    ├── TooSlow          408    the body did not arrive in time
    ├── TooLarge         413
    ├── UnsupportedType  415    a file of a type that WhatsApp does not carry
    ├── TooManyRequests  429    a limit on work under way is reached; the caller may repeat the call later
    ├── RefusedByMeta    502    Meta was asked on the caller's behalf, and refused
    └── Unavailable      503    a dependency did not answer in time; the caller may repeat the call

Services raise them anywhere; `common.http.exception_handlers` alone turns them into answers.
"""

from typing import ClassVar


class AppError(Exception):
    """An error with a stable machine `code` and a `message` for people; `details` are safe to show."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, details: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = code or self.code
        self.details = details


class InvalidInput(AppError):
    """The request is malformed or breaks a stated limit."""

    status = 400
    code = "invalid_input"


class Unauthenticated(AppError):
    """No usable credential came with the request."""

    status = 401
    code = "unauthenticated"


class Forbidden(AppError):
    """The credential is known but does not reach this far."""

    status = 403
    code = "forbidden"


class NotFound(AppError):
    """Nothing is stored under that id."""

    status = 404
    code = "not_found"


class Conflict(AppError):
    """The request contradicts the present state."""

    status = 409
    code = "conflict"


class TooSlow(AppError):
    """The body did not arrive in time."""

    status = 408
    code = "too_slow"


class TooManyRequests(AppError):
    """A limit on work under way is reached; nothing was done, and repeating the call later is safe."""

    status = 429
    code = "too_many_requests"


class TooLarge(AppError):
    """The body is above the stated limit."""

    status = 413
    code = "too_large"


class UnsupportedType(AppError):
    """The body is a file of a type that cannot be used."""

    status = 415
    code = "unsupported_type"


class RefusedByMeta(AppError):
    """Meta answered that it will not do it; repeating the same call will not help."""

    status = 502
    code = "refused_by_meta"


class Unavailable(AppError):
    """A dependency did not confirm in time; nothing is promised, and repeating is safe."""

    status = 503
    code = "unavailable"
