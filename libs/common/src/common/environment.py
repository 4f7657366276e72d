"""The process's environment: the file `.env`.

`.env` in the working directory adds to the environment; a variable that is set already wins. `ENV_FILE` names another
file, or none when it is empty. Nothing in a value is expanded, so a value in single quotes reads the same here, in a
shell (`set -a; . ./.env`) and in docker compose.
"""

import os
from collections.abc import MutableMapping
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

ENV_FILE: Final = "ENV_FILE"
_DEFAULT: Final = ".env"


class EnvFileError(ValueError):
    """`.env` is there and cannot be used; the message says why and holds no value."""


def read_env_file(text: str, name: str = _DEFAULT) -> dict[str, str]:
    """The variables of a file like `.env`. Raises `EnvFileError` for a line that has none."""
    found: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            raise EnvFileError(f"{name}: line {binding.original.line} cannot be parsed; write NAME='value'")
        if binding.key is not None and binding.value is not None:
            found[binding.key] = binding.value
    return found


def load_env_file(environment: MutableMapping[str, str] | None = None) -> None:
    """Add the variables of the file to the environment of this process. Without the file, nothing happens.

    Raises `EnvFileError` when the file cannot be read.
    """
    into = os.environ if environment is None else environment
    name = into.get(ENV_FILE, _DEFAULT)
    if not name or not Path(name).is_file():
        return
    try:
        text = Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvFileError(f"{name} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    for variable, value in read_env_file(text, name).items():
        into.setdefault(variable, value)
