"""The error for wrong use of the emulator itself. `GraphError` is an emulated error of Meta."""


class Misuse(ValueError):
    """A setting, rule or request of the control API that makes no sense; its text says what to change."""
