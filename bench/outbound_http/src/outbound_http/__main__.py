"""What a call to the Graph API costs its caller: `python -m outbound_http --rounds 5 --calls 20000`.

TLS, HTTP/1.1 with kept connections, 64 calls in flight; the server has one core and the client another. `raw` writes
ready bytes and reads no more than a status and a length: the floor. `graph` is the sender's own client, `graph-…` is it
over another transport; the others are the bare libraries.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from outbound_http.rounds import KINDS, run, table


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m outbound_http", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="of all clients in turn (default: %(default)s)")
    add("--calls", type=int, default=20_000, help="of a client in a round (default: %(default)s)")
    add("--kinds", default=",".join(KINDS), help="by comma (default: %(default)s)")
    add("--json", type=Path, help="also write the figures there")
    return parser.parse_args(argv)


def main() -> None:
    """Run and print."""
    given = arguments()
    result = asyncio.run(run(given.rounds, given.calls, given.kinds.split(","), _say))
    print("\n".join(table(result)))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
