"""What every kind of follower has in common: which kinds there are, and the handler."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from common.errors import Unavailable

KINDS: Final = ("ours", "faststream", "guarded")
"""Our follower; FastStream by its options alone; FastStream with the code of ours that it needs beside them."""

STARTED: Final = "started"
"""What a member prints when its modules are imported, which takes seconds on a busy machine."""

GATHER_MS: Final = 100  # as the sender's reader of statuses has it


class Work:
    """The handler: it reads each value. It notes what it was given in `SEEN`, and fails while `FAILS` exists."""

    def __init__(self) -> None:
        self._seen = os.environ.get("SEEN")
        self._fails = os.environ.get("FAILS")
        self.bytes = 0

    async def handle(self, batch: Sequence[Any]) -> None:
        """Handle a batch. Raises `Unavailable` as a handler does while MongoDB is away."""
        if self._fails and Path(self._fails).exists():  # noqa: ASYNC240  # a probe, not a measurement
            self._note(["failed"])
            raise Unavailable("MongoDB is unavailable; try again")
        for record in batch:
            self.bytes += len(record.value)
        if self._seen:
            self._note([f"{time.time()} {record.value.decode()}" for record in batch])

    def _note(self, lines: Sequence[str]) -> None:
        with Path(str(self._seen)).open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
