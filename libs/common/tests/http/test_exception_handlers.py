"""Every listener answers errors in one form; those of ours are in the log, and not in the answer."""

from typing import Annotated

import httpx
import pytest
from litestar import Litestar, Router, get, post
from litestar.openapi import OpenAPIConfig
from litestar.params import JSONBody, QueryParameter
from pydantic import BaseModel, ConfigDict, Field

from common.http.exception_handlers import exception_handlers
from common.http.service.health import health_routes
from common.http.service.internal_app import internal_app


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
    (logged,) = [record for record in caplog.records if record.name == "common.http.exception_handlers"]
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


class Account(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: Annotated[str, Field(pattern=r"^[0-9]{5,20}$")]
    secret: str = ""


@post("/account", sync_to_thread=False, request_max_body_size=1_000)
def account(data: JSONBody[Account]) -> None: ...


@get("/list", sync_to_thread=False)
def listed(
    chatbot: Annotated[str, QueryParameter(name="chatbotId", description="whose list it is")],
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 5,
    name: Annotated[str | None, QueryParameter(max_length=3)] = None,
    deep: Annotated[bool, QueryParameter()] = False,  # the framework gives it by name
) -> None: ...


FORM = "the request does not have the expected form"


@pytest.mark.parametrize(
    ("path", "given", "field", "sentence"),
    [
        ("/list", {}, "chatbotId", "the query parameter `chatbotId` is missing; add `?chatbotId=…`: whose list it is"),
        ("/list?chatbotId=a&limit=0", {}, "limit", "give a whole number of at least 1"),
        ("/list?chatbotId=a&limit=101", {}, "limit", "give a whole number of at most 100"),
        ("/list?chatbotId=a&limit=many", {}, "limit", "give a whole number"),
        ("/list?chatbotId=a&name=long", {}, "name", "give a text of at most 3 characters"),
        ("/list?chatbotId=a&deep=maybe", {}, "deep", "give true or false"),
        ("/account", {"json": {}}, "number", "`number` is missing"),
        ("/account", {"json": {"numbr": "12345"}}, "numbr", "there is no field `numbr` here; did you mean `number`?"),
        ("/account", {"json": {"number": "one"}}, "number", "give 5 to 20 digits"),
        ("/account", {"json": {"number": "12345", "secret": ["fake-secret"]}}, "secret", "give a string, not a list"),
        ("/account", {"json": []}, "", "give an object with `number`, `secret`, not a list"),
        ("/account", {"content": b""}, "", "the body is empty; send a JSON object"),
    ],
)
async def test_each_wrong_field_of_a_400_has_a_sentence_and_no_value(path, given, field, sentence):
    answer = await asked([listed, account], "POST" if given else "GET", path, **given)
    assert answer.status_code == 400
    details = {one["field"]: one["message"] for one in answer.json()["error"]["details"]}
    assert (answer.json()["error"]["message"], details[field]) == (FORM, sentence)
    assert "fake-secret" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "given", "status", "sentence"),
    [
        ("GET", "/nowhere", {}, 404, "there is nothing at `/nowhere`; /docs lists the calls"),
        ("PUT", "/account", {}, 405, "PUT is not allowed here; use POST"),
        ("DELETE", "/both", {}, 405, "DELETE is not allowed here; use GET or POST"),
        ("POST", "/account", {"content": b"x" * 1_001}, 413, "the body is too large; at most 1000 bytes are allowed"),
        (
            "POST",
            "/account",
            {"content": b"{"},
            400,
            "the body is not JSON: Input data was truncated; send a JSON object",
        ),
    ],
)
async def test_a_status_of_the_framework_says_what_to_do(method, path, given, status, sentence):
    handlers = [account, get("/both", sync_to_thread=False)(nothing), post("/both", sync_to_thread=False)(nothing)]
    answer = await asked(
        handlers, method, path, openapi_config=OpenAPIConfig(title="t", version="1", path="/docs"), **given
    )
    assert (answer.status_code, answer.json()["error"]["message"]) == (status, sentence)


def nothing() -> None: ...


async def asked(handlers, method, path, *, openapi_config=None, **given):
    app = Litestar(
        handlers, exception_handlers=exception_handlers(), openapi_config=openapi_config, logging_config=None
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.request(method, path, **given)
