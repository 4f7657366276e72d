"""The error of whoever drives the emulator, as opposed to `GraphError`, which is part of the play."""


class Misuse(ValueError):
    """A setting, rule or request of the control API that makes no sense; its text says what to change."""
