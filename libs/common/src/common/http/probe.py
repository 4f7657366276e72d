"""Whether the service beside this process is alive: `python -m common.http.probe`, for containers without curl.

It asks `/health/live` on HTTP_PORT, as a liveness probe would. Exit codes: 0 alive, 1 not alive or no answer.
"""

import sys
from http.client import HTTPConnection, HTTPException

from common.http.serve import HttpSettings

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
    sys.exit(0 if alive(HttpSettings().http_port) else 1)
