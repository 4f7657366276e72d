"""What a turn takes on the disks of Kafka and MongoDB: a message, its answer and three statuses.

  python -m yardstick.disk                       without compression, and as it is declared and set
  python -m yardstick.disk --against HEAD~1      and the services of another commit
  python -m yardstick.disk --codecs lz4,zstd     and these values of KAFKA_COMPRESSION; topics only: --turns 0

It starts a Kafka and a mongod. Every side writes with the services' own code: to topics as many turns at the same time
as with little and with much load, to collections in full batches.
"""

import argparse
import asyncio

from local_stack import LocalStack
from yardstick.disk.measuring import Side, measure
from yardstick.disk.table import tables
from yardstick.rig.checkout import checkout
from yardstick.rig.rig import say

CODEC = "KAFKA_COMPRESSION"


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m yardstick.disk", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--turns", type=int, default=100_000, help="turns in collections (default: %(default)s)")
    add("--topic-turns", type=int, default=2_000, help="turns on topics (default: %(default)s)")
    add("--together", default="1,4,10,40,400", help="turns under way at the same time (default: %(default)s)")
    add("--rounds", type=int, default=1, help="rounds of the topics (default: %(default)s)")
    add("--codecs", default="", help="further sides with these codecs, comma separated")
    add("--against", metavar="REV", help="a further side: the services of this commit, kept in .cache/against")
    return parser.parse_args(argv)


def sides_of(codecs: str, against: str | None) -> list[Side]:
    """The sides, the one that is compared with first."""
    sides = [Side("plain", settings={CODEC: "none"}, plain=True), Side("as declared")]
    sides += [Side(codec, settings={CODEC: codec}) for codec in codecs.split(",") if codec]
    if against is not None:
        other = checkout(against)
        sides.insert(0, Side(other.name, other.interpreter))
    return sides


async def run(given: argparse.Namespace) -> None:
    """Measure and print."""
    sides = await asyncio.to_thread(sides_of, given.codecs, given.against)
    stack = LocalStack(fast_boot=False, kafka_heap_mb=1024)
    await asyncio.to_thread(stack.start)
    try:
        together = [int(count) for count in given.together.split(",")]
        found = await measure(stack, sides, together, (given.topic_turns, given.turns), given.rounds, say)
    finally:
        await asyncio.to_thread(stack.stop)
    print("\n".join(tables(*found)))


if __name__ == "__main__":
    asyncio.run(run(arguments()))
