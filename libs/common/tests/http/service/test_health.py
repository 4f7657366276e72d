"""Readiness asks each dependency, all at once, and none for longer than it takes to answer a probe."""

import asyncio

import httpx
import pytest
from litestar import Litestar

from common.http.service import health
from common.http.service.health import health_routes


async def ready(checks):
    app = Litestar(health_routes(checks), openapi_config=None, logging_config=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/health/ready")
        return answer.status_code, answer.json()["checks"]


async def yes():
    return True


async def no():
    return False


@pytest.mark.parametrize("away", ["kafka", "mongodb", "accounts"])
async def test_one_that_says_no_is_enough_and_is_named(away):
    names = ("kafka", "mongodb", "accounts")
    status, checks = await ready({name: no if name == away else yes for name in names})
    assert (status, checks) == (503, {name: name != away for name in names})


async def test_all_that_say_yes_are_ready():
    assert await ready({"kafka": yes, "mongodb": yes}) == (200, {"kafka": True, "mongodb": True})


async def test_one_that_hangs_is_not_ready_and_the_probe_has_its_answer(monkeypatch):
    monkeypatch.setattr(health, "_CHECK_SECONDS", 0.05)

    async def hangs():
        await asyncio.Event().wait()
        return True

    async with asyncio.timeout(5):
        assert await ready({"kafka": hangs, "mongodb": yes}) == (503, {"kafka": False, "mongodb": True})


async def test_they_are_asked_side_by_side():
    second = asyncio.Event()

    async def waits_for_the_second():
        async with asyncio.timeout(2):
            await second.wait()
        return True

    async def is_the_second():
        second.set()
        return True

    assert (await ready({"first": waits_for_the_second, "second": is_the_second}))[0] == 200
