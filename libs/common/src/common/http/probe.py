"""Whether the service beside this process is alive: `python -m common.http.probe [PATH]`, for containers without curl.

It asks `/health/live` on HTTP_PORT, as a liveness probe would, or another path (`/health/ready`). Exit codes: 0 when
the answer is 200, 1 for another one or none. It runs every few seconds in each container: so it imports nothing but
Python's own library, and reads its one setting by itself. `common.http.service.serve.HttpSettings` has its default from
here.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

DEFAULT_PORT = 8000
_SECONDS = 4.0


def alive(port: int, path: str = "/health/live") -> bool:
    """Whether this machine's `port` answers 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if alive(int(os.environ.get("HTTP_PORT") or DEFAULT_PORT), *sys.argv[1:2]) else 1)
