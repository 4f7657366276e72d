"""What a record costs mongod beside few and beside many documents.

  python -m yardstick.stored                         10,000 and 1,000,000 messages, five rounds
  python -m yardstick.stored --batch 5               the same in batches as they are without load

It starts a mongod, fills it, and writes with the services' own code; Kafka takes no part.
"""

import argparse
import asyncio

from local_stack import LocalStack
from yardstick.rig.rig import say
from yardstick.stored.rounds import BATCH, SIZES, TURNS, Plan, growth, measure


def arguments(argv: list[str] | None = None) -> Plan:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m yardstick.stored", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = ",".join(map(str, SIZES))
    parser.add_argument("--messages", default=sizes, help="messages stored, comma separated (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=TURNS, help="turns of a round (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=BATCH, help="records of a batch (default: %(default)s)")
    given = parser.parse_args(argv)
    return Plan([int(size) for size in given.messages.split(",")], given.rounds, given.turns, given.batch)


async def run(plan: Plan) -> None:
    """Measure and print."""
    stack = LocalStack(kafka_nodes=0, fast_boot=False)
    await asyncio.to_thread(stack.start)
    try:
        for name, costs in (await measure(stack.mongodb_uri, plan, say)).items():
            few, many = min(costs), max(costs)
            print(
                f"{name}: beside {many:,} messages a record costs mongod {growth(costs):.2f} times that beside {few:,}"
            )
    finally:
        await asyncio.to_thread(stack.stop)


if __name__ == "__main__":
    asyncio.run(run(arguments()))
