"""The settings of a command, its connection to MongoDB, and what it tells while it works."""

import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from pydantic_settings import BaseSettings

from common.mongo import Mongo, MongoSettings, or_unavailable
from common.settings import read_settings
from wa.errors import SettingsWrong

SettingsT = TypeVar("SettingsT", bound=BaseSettings)

Say = Callable[[str], None]
"""Is told how far a command is."""

PROGRESS_SECONDS: Final = 2.0


def settings_of(kind: type[SettingsT]) -> SettingsT:
    """The settings from the environment. Raises `SettingsWrong` after it has printed what is wrong."""
    settings = read_settings("wa", kind)
    if settings is None:
        raise SettingsWrong
    return settings


@asynccontextmanager
async def connected(settings: MongoSettings | None = None) -> AsyncIterator[Mongo]:
    """MongoDB for one command (None: as the environment says), closed at the end.

    Raises `SettingsWrong`, and `Unavailable` for every error of the driver.
    """
    mongo = Mongo(settings or settings_of(MongoSettings), limited=False)
    try:
        with or_unavailable():
            yield mongo
    finally:
        await mongo.close()


def say(line: str) -> None:
    """Tell the operator how far the command is, apart from its output."""
    print(line, file=sys.stderr, flush=True)


class Progress:
    """Tells `say` how far something is, every two seconds at most."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._told = time.monotonic()

    def tell(self, line: str) -> None:
        """Say the line, if it is time."""
        if time.monotonic() - self._told > PROGRESS_SECONDS:
            self._told = time.monotonic()
            self._say(line)
