"""One address for everything: `python -m demo.gateway --port 3000 --route /whatsapp-cloud/webhook=http://… …`.

A reverse proxy for one machine. It passes bodies byte for byte: Meta's signature is over them.
"""

import argparse
import sys
from collections.abc import Mapping

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict

MAX_BODY_BYTES = 100 * 1024 * 1024  # whatever a service allows: it is the one to refuse
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "host", "expect"})
_ROUTES: web.AppKey[Mapping[str, str]] = web.AppKey("routes")
_CLIENT: web.AppKey[ClientSession] = web.AppKey("client")


def target_of(path: str, routes: Mapping[str, str]) -> str | None:
    """The base URL of the longest prefix that `path` lies under."""
    under = [prefix for prefix in routes if path == prefix or path.startswith(prefix.rstrip("/") + "/")]
    return routes[max(under, key=len)] if under else None


def end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The headers that a proxy passes on (RFC 9110 §7.6.1)."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)


async def forward(request: web.Request) -> web.StreamResponse:
    """Pass one request on and its answer back."""
    routes = request.app[_ROUTES]
    target = target_of(request.path, routes)
    if target is None:
        return _error(404, "not_found", f"nothing lives here; try one of: {', '.join(sorted(routes))}")
    try:
        async with request.app[_CLIENT].request(
            request.method,
            target + request.raw_path,
            headers=end_to_end(request.headers),
            data=await request.read(),
            allow_redirects=False,
        ) as answer:
            body = await answer.read()
            headers = end_to_end(answer.headers)
            headers.popall("content-length", None)
            return web.Response(status=answer.status, headers=headers, body=body)
    except (ClientError, TimeoutError) as error:
        return _error(502, "bad_gateway", f"the service behind {request.path} does not answer ({type(error).__name__})")


def build(routes: Mapping[str, str]) -> web.Application:
    """The application; `routes` maps path prefixes to base URLs."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app[_ROUTES] = routes

    async def client(app: web.Application):  # type: ignore[no-untyped-def]  # noqa: ANN202  # aiohttp's own signature
        timeout = ClientTimeout(total=30)
        connector = TCPConnector(limit=500)
        async with ClientSession(timeout=timeout, connector=connector, auto_decompress=False) as session:
            app[_CLIENT] = session
            yield

    app.cleanup_ctx.append(client)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"success": False, "error": {"code": code, "message": message}}, status=status)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m demo.gateway", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--route", action="append", required=True, metavar="PREFIX=URL", help="may be repeated")
    arguments = parser.parse_args()
    routes = dict(route.split("=", 1) for route in arguments.route)
    web.run_app(build(routes), host=arguments.host, port=arguments.port, print=None, access_log=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
