"""A fake Graph API over TLS: `python -m outbound_http.server --folder DIR`.

Every `POST` is answered at once, and with the same bytes: only what its caller does is measured. Writes its certificate
to the folder, prints `ready <port>` when it listens, and serves until it is ended.
"""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Final, cast

import uvloop

from outbound_http.certificate import server_context
from outbound_http.cores import pin
from outbound_http.wire import answer, message_end

_BODY: Final = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "+4917012345678", "wa_id": "4917012345678"}],
    "messages": [{"id": "wamid.HBgNNDkxNzAxMjM0NTY3OBUCABEYEjlBM0NFNTE0REY2NTk0RTcyQQA="}],
}
_HEADERS: Final = {
    "content-type": "application/json; charset=UTF-8",
    "facebook-api-version": "v25.0",
    "x-fb-request-id": "AbCdEfGhIjKlMnOpQrStUvW",
    "x-fb-trace-id": "C1x2V3b4N5m",
    "cache-control": "private, no-cache, no-store, must-revalidate",
    "connection": "keep-alive",
}
_ANSWER: Final = answer(json.dumps(_BODY, separators=(",", ":")).encode(), _HEADERS)


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._seen = b""

    def data_received(self, data: bytes) -> None:
        self._seen += data
        try:
            end = message_end(self._seen)
        except ValueError:
            self._transport.abort()
            return
        if end:
            self._seen = self._seen[end:]
            self._transport.write(_ANSWER)


async def _serve(folder: Path) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, ssl=server_context(folder))
    print(f"ready {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(
        prog="python -m outbound_http.server", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="for the certificate")
    parser.add_argument("--core", type=int, help="the only one to run on (default: any)")
    given = parser.parse_args()
    pin(given.core)
    uvloop.run(_serve(given.folder))


if __name__ == "__main__":
    main()
