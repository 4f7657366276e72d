"""`python -m otlp_receiver`: receives OpenTelemetry traces over HTTP, keeps the latest in memory, prints each.

Set OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 in the processes to trace. `GET /traces` lists the traces,
`GET /traces/<id>` returns the spans of one, `GET /traces/<id>?as=text` draws it as a waterfall.
"""

import argparse
import sys

from aiohttp import web

from otlp_receiver.app import build_app
from otlp_receiver.traces import Traces


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m otlp_receiver", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=4318, help="port to listen on, on 127.0.0.1 (default: %(default)s)")
    parser.add_argument("--most", type=int, default=10_000, help="number of traces to keep (default: %(default)s)")
    parser.add_argument("--quiet", action="store_true", help="do not print traces")
    given = parser.parse_args()
    traces = Traces(given.most)
    app = build_app(traces, None if given.quiet else lambda text: print(text, flush=True))
    web.run_app(app, host="127.0.0.1", port=given.port, print=None, access_log=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
