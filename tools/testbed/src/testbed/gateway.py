"""A reverse proxy that gives all services one address on one machine.

example: python -m testbed.gateway --port 3000 --route /whatsapp-cloud/webhook=http://127.0.0.1:8001

It passes bodies on byte for byte, also compressed ones, because Meta's signature covers them. It normalises each path
(RFC 3986 §6.2.2), routes by the normalised path, and passes that path on. Several URLs for one prefix are replicas that
take turns. A replica that cannot be reached is skipped for a second.
"""

import argparse
import re
import string
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from itertools import count
from pathlib import Path
from urllib.parse import unquote

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict
from yarl import URL

MAX_BODY_BYTES = 100 * 1024 * 1024  # more than any service allows, because the service has to refuse
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "host", "expect"})
_DEFAULT_SECONDS = 30.0
_REST_SECONDS = 1.0
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")  # RFC 3986 §2.3
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_INNER = re.compile(r"[/\\]")
_DOTS = frozenset({".", ".."})
_ROUTES: web.AppKey[Mapping[str, Sequence[str]]] = web.AppKey("routes")
_TURNS: web.AppKey[MutableMapping[tuple[str, ...], Iterator[int]]] = web.AppKey("turns")
_REFUSED: web.AppKey[MutableMapping[str, float]] = web.AppKey("refused")
_CLIENT: web.AppKey[ClientSession] = web.AppKey("client")
_HOME: web.AppKey[str] = web.AppKey("home")


def targets_of(path: str, routes: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The base URLs of the longest prefix that `path` lies under; none when it lies under none."""
    under = [prefix for prefix in routes if path == prefix or path.startswith(prefix.rstrip("/") + "/")]
    return routes[max(under, key=len)] if under else ()


class UnusablePath(ValueError):
    """A request target that a service might read differently than this proxy."""


def normal_path(target: str) -> str:
    """The path of a request target in its one normal form, without its query. Raises `UnusablePath`.

    Dot segments are resolved, slashes joined, and what need not be encoded is decoded: once, so `%252e` stays. `%2F`
    stays too, because ids may have slashes; but dots between such slashes are refused, because a service that decodes
    the path would see segments where we see none.
    """
    path = target.partition("#")[0].partition("?")[0]
    if not path.startswith("/") or not (path.isascii() and path.isprintable()) or "\\" in path:
        raise UnusablePath("the path has to begin with `/` and be visible ASCII, with %XX for the rest")
    if _BAD_ESCAPE.search(path):
        raise UnusablePath("a % in the path has to be followed by two hex digits")
    segments: list[str] = []
    given = _ESCAPE.sub(_decoded, path).split("/")
    for segment in given:
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    if any(not _DOTS.isdisjoint(_INNER.split(unquote(segment))) for segment in segments):
        raise UnusablePath("a path must not have `.` or `..` between encoded slashes")
    slash = "/" if segments and given[-1] in {"", ".", ".."} else ""
    return "/" + "/".join(segments) + slash


def _decoded(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0].upper()


def in_turn(targets: Sequence[str], turn: int) -> list[str]:
    """All targets; each turn starts with another one."""
    first = turn % len(targets) if targets else 0
    return [*targets[first:], *targets[:first]]


def rested_first(targets: Sequence[str], refused: Mapping[str, float], now: float) -> list[str]:
    """Targets that refused a connection within the last second go to the end, to be tried when all others refuse.

    `refused` has the second of each one's last refusal, on the clock of `now`.
    """
    return sorted(targets, key=lambda target: now - refused.get(target, float("-inf")) < _REST_SECONDS)


def end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The headers that a proxy passes on (RFC 9110 §7.6.1)."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)


async def forward(request: web.Request) -> web.StreamResponse:
    """Pass one request on and its answer back."""
    routes = request.app[_ROUTES]
    try:
        path = normal_path(request.raw_path)
    except UnusablePath as error:
        return _error(400, "invalid_input", str(error))
    replicas = tuple(targets_of(path, routes))
    refused = request.app[_REFUSED]
    # One count for each set of replicas. With a common count, two services that are called in turn would never rotate.
    targets = rested_first(in_turn(replicas, next(request.app[_TURNS][replicas])), refused, time.monotonic())
    if not targets and path == "/" and request.method in {"GET", "HEAD"} and request.app[_HOME]:
        return web.Response(text=request.app[_HOME], content_type="text/html")
    if not targets:
        return _error(404, "not_found", f"nothing lives here; try one of: {', '.join(sorted(routes))}")
    body = await request.read()
    for position, target in enumerate(targets, start=1):
        try:
            return await _passed_on(request, body, target + path)
        except ClientConnectorError as error:  # the request was not sent, so another replica may get it
            refused[target] = time.monotonic()
            if position == len(targets):
                return _silent(request, error)
        except (ClientError, TimeoutError) as error:
            return _silent(request, error)
    raise AssertionError("the last target returns")


async def _passed_on(request: web.Request, body: bytes, target: str) -> web.Response:
    query = request.raw_path.partition("#")[0].partition("?")[2]
    async with request.app[_CLIENT].request(
        request.method,
        URL(f"{target}?{query}" if query else target, encoded=True),  # the normalised path, not quoted again
        headers=end_to_end(request.headers),
        data=body,
        allow_redirects=False,
    ) as answer:
        content = await answer.read()
        headers = end_to_end(answer.headers)
        headers.popall("content-length", None)
        return web.Response(status=answer.status, headers=headers, body=content)


def _silent(request: web.Request, error: Exception) -> web.Response:
    message = f"the service behind {request.path} does not answer ({type(error).__name__})"
    return _error(502, "bad_gateway", message)


def build(routes: Mapping[str, Sequence[str]], *, seconds: float = _DEFAULT_SECONDS, home: str = "") -> web.Application:
    """The application; `routes` maps path prefixes to base URLs. An answer may take `seconds`.

    `home` is the page at `/`.
    """
    # aiohttp would decompress a body and leave its header.
    app = web.Application(client_max_size=MAX_BODY_BYTES, handler_args={"auto_decompress": False})
    app[_ROUTES] = routes
    app[_TURNS] = defaultdict[tuple[str, ...], Iterator[int]](count)
    app[_REFUSED] = {}
    app[_HOME] = home

    async def client(app: web.Application):  # type: ignore[no-untyped-def]  # noqa: ANN202  # aiohttp's own signature
        timeout = ClientTimeout(total=seconds)
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
    parser = argparse.ArgumentParser(
        prog="python -m testbed.gateway", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=3000, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--route",
        action="append",
        required=True,
        metavar="PREFIX=URL",
        help="send paths under PREFIX to URL; may be repeated",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=_DEFAULT_SECONDS,
        help="longest wait for an answer, in seconds (default: %(default)s)",
    )
    parser.add_argument("--home", type=Path, metavar="FILE", help="HTML file to serve at /")
    arguments = parser.parse_args()
    home = arguments.home.read_text(encoding="utf-8") if arguments.home else ""
    routes: dict[str, list[str]] = {}
    for prefix, url in (route.split("=", 1) for route in arguments.route):
        routes.setdefault(prefix, []).append(url)
    web.run_app(
        build(routes, seconds=arguments.timeout, home=home),
        host=arguments.host,
        port=arguments.port,
        print=None,
        access_log=None,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
