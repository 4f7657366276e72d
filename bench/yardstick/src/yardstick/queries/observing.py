"""Watches the driver while code runs: which place in the code has sent which command, with what plan, in what time.

Each call of the driver is marked with its place (MongoDB's `comment`), which comes back with each command that it
becomes. So a command is known by its place, whatever helpers are between.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final
from unittest.mock import patch

from pymongo import MongoClient, monitoring, operations
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from yardstick.queries.driver_calls import COMMANDS, OPERATIONS, READS, WRITES, DriverCall
from yardstick.queries.plans import EXPLAINED, Plan, explain

_MARK: Final = "place "


@dataclass(frozen=True, slots=True)
class Seen:
    """One command. `milliseconds` are those until its answer; the plans are those of its parts."""

    call: DriverCall
    collection: str
    plans: Sequence[Plan] = ()
    milliseconds: float = 0.0


@dataclass(slots=True)
class Watched:
    """What was seen: commands, and the places that ran, also those that have sent nothing by themselves."""

    ran: set[DriverCall] = field(default_factory=set)
    commands: list[Seen] = field(default_factory=list)


class Places:
    """The calls of some source files, by file and line."""

    def __init__(self, files: dict[Path, Sequence[DriverCall]]) -> None:
        self._by_file = {str(path): calls for path, calls in files.items()}
        self.all: list[DriverCall] = [call for calls in files.values() for call in calls]

    def at(self, frame: FrameType | None, method: str) -> DriverCall | None:
        """The call of this method that a frame is in."""
        if frame is None:
            return None
        calls = self._by_file.get(frame.f_code.co_filename, ())
        within = [c for c in calls if c.method == method and c.first_line <= frame.f_lineno <= c.last_line]
        return min(within, key=lambda call: call.last_line - call.first_line, default=None)


class _Listener(monitoring.CommandListener):
    def __init__(self) -> None:
        self.by_name: dict[str, DriverCall] = {}
        self.into: Watched | None = None
        self.explaining: MongoClient[dict[str, Any]] | None = None
        self._under_way: dict[int, tuple[DriverCall, str, Sequence[Plan]]] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        mark = event.command.get("comment")
        if self.into is None or not isinstance(mark, str) or not mark.startswith(_MARK):
            return
        plans: Sequence[Plan] = ()
        if self.explaining is not None and event.command_name in EXPLAINED:
            plans = explain(self.explaining, event.database_name, event.command)
        call, collection = self.by_name[mark], event.command.get(event.command_name)
        self._under_way[event.request_id] = (call, str(event.command.get("collection", collection)), plans)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self._ended(event.request_id, event.duration_micros / 1_000)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._ended(event.request_id, event.duration_micros / 1_000)

    def _ended(self, request: int, milliseconds: float) -> None:
        known = self._under_way.pop(request, None)
        if known is not None and self.into is not None:
            call, collection, plans = known
            self.into.commands.append(Seen(call, collection, plans, milliseconds))


_listener = _Listener()
monitoring.register(_listener)  # of every client that is made from now on


@contextmanager
def watching(places: Places, explaining: MongoClient[dict[str, Any]] | None = None) -> Iterator[Watched]:
    """What the driver does for these places during the block, in this process.

    With `explaining`, each command is explained before it is sent: on the documents as it finds them.
    """
    watched = Watched()
    _listener.into, _listener.explaining = watched, explaining
    with ExitStack() as stack:
        for owner in (AsyncCollection, AsyncDatabase):
            for method in sorted((READS | WRITES | COMMANDS) & set(dir(owner))):
                marked = _marked(getattr(owner, method), method, places, watched)
                stack.enter_context(patch.object(owner, method, marked))
        for name in OPERATIONS:
            operation = getattr(operations, name)
            noted = _noted(operation.__init__, name, places, watched)
            stack.enter_context(patch.object(operation, "__init__", noted))
        try:
            yield watched
        finally:
            _listener.into = _listener.explaining = None


def _marked(original: Any, method: str, places: Places, watched: Watched) -> Callable[..., Any]:
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        place = places.at(sys._getframe(1), method)  # noqa: SLF001  # the caller is what is asked for
        if place is not None:
            watched.ran.add(place)
            mark = f"{_MARK}{place.name}"
            _listener.by_name[mark] = place
            if method not in COMMANDS:
                named.setdefault("comment", mark)
        return original(self, *arguments, **named)

    return call


def _noted(original: Any, name: str, places: Places, watched: Watched) -> Callable[..., None]:
    def made(self: Any, *arguments: Any, **named: Any) -> None:
        place = places.at(sys._getframe(1), name)  # noqa: SLF001  # as above
        if place is not None:
            watched.ran.add(place)
        original(self, *arguments, **named)

    return made
