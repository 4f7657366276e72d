"""Measures the CPU cost of calls to the Graph API: `python -m outbound_http --rounds 5 --calls 20000`.

Calls use TLS and HTTP/1.1 with kept connections, 64 at a time. The server has one core, the client another. `raw` is
the lower bound: it writes prepared bytes, and reads only a status and a length. `graph` is the sender's own client,
`graph-…` is that client over another transport. The others are the plain libraries.
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
    add("--rounds", type=int, default=5, help="rounds; each runs all clients in turn (default: %(default)s)")
    add("--calls", type=int, default=20_000, help="calls of each client in a round (default: %(default)s)")
    add("--kinds", default=",".join(KINDS), help="clients to measure, comma separated (default: %(default)s)")
    add("--json", type=Path, help="also write the measurements as JSON to this file")
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
