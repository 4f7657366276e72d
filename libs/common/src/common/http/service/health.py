"""`/health/live`, `/health/ready` and `/metrics`: what an operator asks a service.

Live means that the process makes progress. The check asks no dependency, because restarting this process would not fix
one. Ready means that new work would be done now: each named check passes. The answer names the checks that do not.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from common.http.service.metrics_route import metrics_route

Check = Callable[[], Awaitable[bool]]

_CHECK_SECONDS = 3.0


def health_routes(checks: Mapping[str, Check], *, alive: Callable[[], bool] = lambda: True) -> list[HTTPRouteHandler]:
    """The three routes. `checks` are asked side by side, each for at most three seconds."""

    @get("/health/live", include_in_schema=False, sync_to_thread=False)
    def live() -> Response[dict[str, bool]]:
        ok = alive()
        return Response({"live": ok}, status_code=200 if ok else 503)

    @get("/health/ready", include_in_schema=False)
    async def ready() -> Response[dict[str, Any]]:
        answers = dict(zip(checks, await asyncio.gather(*map(_ask, checks.values())), strict=True))
        ok = all(answers.values())
        return Response({"ready": ok, "checks": answers}, status_code=200 if ok else 503)

    return [live, ready, metrics_route()]


async def _ask(check: Check) -> bool:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await check()
    except Exception:  # noqa: BLE001  # whatever the error of a dependency is, it is not ready
        return False
