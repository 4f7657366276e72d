"""Secrets as people paste them: with white space around, which is dropped, or inside, which is refused. Pure."""


def clean(text: str) -> str:
    """`text` without white space and invisible characters around it.

    Raises `ValueError`, without what was given, when nothing is left or some are inside: the secret was pasted wrongly,
    because neither Meta's secrets nor those that we draw have any.
    """
    begin, end = 0, len(text)
    while begin < end and _unseen(text[begin]):
        begin += 1
    while end > begin and _unseen(text[end - 1]):
        end -= 1
    if begin == end:
        raise ValueError("it is empty")
    if any(map(_unseen, text[begin:end])):
        raise ValueError("it has white space or an invisible character inside; copy it again")
    return text[begin:end]


def _unseen(character: str) -> bool:
    """Space, tab, line break, no-break space, zero-width space, byte order mark, control characters and the like."""
    return character.isspace() or not character.isprintable()
