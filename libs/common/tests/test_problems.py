"""Every listener answers errors in one form; those of ours are in the log, and not in the answer."""

import httpx
import pytest
from litestar import Litestar, Router, get, post
from litestar.params import JSONBody
from pydantic import BaseModel

from common.http.health import health_routes
from common.http.listener import internal_app
from common.http.problems import exception_handlers


class Body(BaseModel):
    size: int


@get("/mistake", sync_to_thread=False)
def mistake() -> None:
    raise RuntimeError("fake-secret-in-a-message")


@get("/read", sync_to_thread=False)
def read() -> None:
    Body.model_validate({"size": "fake-large"})


@post("/body", sync_to_thread=False)
def body(data: JSONBody[Body]) -> None: ...


HANDLERS = [mistake, read, body]


def public():
    return Litestar(HANDLERS, exception_handlers=exception_handlers(), openapi_config=None, logging_config=None)


def internal():
    return internal_app(Router("/", route_handlers=HANDLERS), health_routes({}))


@pytest.fixture(params=[public, internal])
async def client(request):
    transport = httpx.ASGITransport(request.param())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_a_mistake_of_ours_is_in_the_log_and_not_in_the_answer(client, caplog):
    answer = await client.get("/mistake")
    assert (answer.status_code, answer.json()["success"]) == (500, False)
    assert answer.json()["error"]["code"] == "internal_error"
    assert "fake-secret" not in answer.text
    (logged,) = [record for record in caplog.records if record.name == "common.http.problems"]
    assert (logged.levelname, logged.path) == ("ERROR", "/mistake")
    assert "fake-secret" in str(logged.exc_info[1])


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [("GET", "/read", {}), ("POST", "/body", {"json": {"size": "large"}}), ("POST", "/body", {"content": b"{"})],
)
async def test_input_of_another_form_is_refused(client, method, path, given):
    answer = await client.request(method, path, **given)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_input")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/body", 405)])
async def test_what_is_not_there_is_answered_in_our_form(client, method, path, status):
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) >= {"code", "message"}
