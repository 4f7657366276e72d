"""What MongoDB does for the commands of a test: its plan for each, and how much it looks at."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pymongo import monitoring

EXPLAINED = ("find", "aggregate", "count", "distinct", "update", "delete", "findAndModify")
_OF_THE_SESSION = {"lsid", "txnNumber", "startTransaction", "autocommit", "writeConcern", "readConcern"}


@dataclass(frozen=True)
class Plan:
    """One command as it was run. `stages` are the names of the steps, `returned` the documents of its answer."""

    command: dict
    stages: frozenset
    documents: int
    keys: int
    returned: int

    @property
    def bounded(self):
        """Whether it looks at no more than what it returns, without looking through a collection or sorting it."""
        return not self.stages & {"COLLSCAN", "SORT"} and self.documents <= 2 * self.returned + 1


class _Commands(monitoring.CommandListener):
    def __init__(self):
        self.of = None

    def started(self, event):
        if self.of is not None and event.command_name in EXPLAINED:
            self.of.append((event.database_name, dict(event.command)))

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


_commands = _Commands()
monitoring.register(_commands)  # of every client that is made from now on


@contextmanager
def recorded() -> Iterator[list]:
    """The commands of all clients during the block, each with the name of its database."""
    _commands.of = []
    try:
        yield _commands.of
    finally:
        _commands.of = None


async def explain(client, database, command):
    """The plan of a recorded command. It is run again for that, and writes nothing."""
    plain = {n: v for n, v in command.items() if n not in _OF_THE_SESSION and not n.startswith("$")}
    said = await client[database].command("explain", plain, verbosity="executionStats")
    stats = said.get("executionStats") or said["stages"][0]["$cursor"]["executionStats"]
    return Plan(
        plain,
        frozenset(_stages(said)),
        stats["totalDocsExamined"],
        stats["totalKeysExamined"],
        stats["nReturned"],
    )


def _stages(part):
    if isinstance(part, dict):
        if isinstance(part.get("stage"), str):
            yield part["stage"]
        for name, value in part.items():
            if name not in ("rejectedPlans", "command"):
                yield from _stages(value)
    elif isinstance(part, list):
        for value in part:
            yield from _stages(value)
