"""What goes wrong in the local stack, in words that say what to do."""


class LocalStackError(Exception):
    """The stack cannot do what was asked; the text names the cause and the remedy."""
