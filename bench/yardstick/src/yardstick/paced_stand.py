"""Runs the sides of a part at paces: each with a new database, a new group, and topics without earlier records."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from common.contracts.topics import Topic
from common.kafka.records import Outgoing
from yardstick.paced import Progress, at_paces, highest_held
from yardstick.rig.measurements import Measurement, Span, watch
from yardstick.rig.program import Program
from yardstick.rig.rig import Rig, Say, fresh_name

Make = Callable[[str], Program]
"""Makes a side's process; it is given the name of its database and group."""

_SETTLED: Final = 100
"""Full load is timed from this message on."""


@dataclass(frozen=True, slots=True)
class Stand:
    """What all sides of a part share.

    - `inputs` are the topics that are emptied before each run, and `record` makes the record of a number for them.
    - `backlog` makes a full topic of so many records.
    - `progress` says how many messages are done, of a side whose database it is given.
    - `seconds` is how long each pace is measured.
    """

    rig: Rig
    seconds: float
    inputs: Sequence[Topic]
    record: Callable[[int], Outgoing]
    backlog: Callable[[int], Iterable[Outgoing]]
    progress: Callable[[Any], Progress]

    async def run(self, make: Make, paces: Mapping[str, float], side: str = "") -> dict[str, Measurement]:
        """A side at these paces, by its name and the pace's."""
        await self.rig.fresh_topics(*self.inputs)
        name = fresh_name()
        async with self.rig.database(name) as database, make(name) as program:
            done = self.progress(database)
            found = await at_paces(self.rig, program, done, self.record, paces, self.seconds)
        return {f"{side} at {pace}": measurement for pace, measurement in found.items()}

    async def highest(self, make: Make, messages: int, say: Say) -> float:
        """The highest pace that a side holds. Its full rate is found with a backlog of so many messages."""

        async def at(rate: float) -> Measurement:
            (found,) = (await self.run(make, {"": rate})).values()
            return found

        return await highest_held(at, await self._full(make, messages), say)

    async def _full(self, make: Make, messages: int) -> float:
        await self.rig.fresh_topics(*self.inputs)
        await self.rig.fill(self.backlog(messages))
        name = fresh_name()
        async with self.rig.database(name) as database:
            done = self.progress(database)
            base = await done()

            async def since() -> int:
                return await done() - base

            async with make(name) as program:
                return (await watch(program, since, Span(messages, _SETTLED, self.seconds))).per_second
