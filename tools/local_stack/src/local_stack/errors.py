"""The errors of the local stack; each text says what to do."""


class LocalStackError(Exception):
    """The stack cannot do what was asked; the text names the cause and the remedy."""
