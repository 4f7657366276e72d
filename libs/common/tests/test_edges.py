"""The thin edges that every service shares: traces, API keys, error answers, health and logs."""

import json
import logging
from typing import Annotated, Any

import httpx
import pytest
from litestar import Litestar, get, post
from litestar.connection import Request
from litestar.params import JSONBody, QueryParameter
from pydantic import BaseModel, ValidationError

from common.contracts.sends import SendRequest
from common.contracts.validation.refusals import refusals
from common.errors import Conflict, Forbidden, Unauthenticated, Unavailable
from common.http.auth import ApiKey, authenticate, check_chatbot, digest, require
from common.http.exception_handlers import exception_handlers
from common.http.service.health import health_routes
from common.kafka.records import headers_for, read_headers, trace_of
from common.telemetry.logs import REDACTED, JsonFormatter, configure_logging, redact
from common.telemetry.trace_context import new_trace

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_goes_on_with_a_new_span():
    trace = trace_of({"traceparent": PARENT, "correlation-id": "c1"}, fallback_correlation_id="unused")
    child = trace.child("00f067aa0ba902b7")
    assert child.traceparent == "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
    written = read_headers(headers_for(child, event_id="e1", event_type="t", extra={"reason": "x"}))
    assert written["traceparent"] == child.traceparent
    assert written["correlation-id"] == "c1"
    assert (written["event-id"], written["event-type"], written["reason"]) == ("e1", "t", "x")


@pytest.mark.parametrize(
    "broken", [None, "", "00-0-0-01", PARENT.replace("0af7", "zzzz"), f"00-{'0' * 32}-{'1' * 16}-01"]
)
def test_a_trace_that_is_not_w3c_starts_anew(broken):
    trace = new_trace("c1", broken)
    assert trace.traceparent != broken
    assert len(trace.traceparent) == len(PARENT)


KEY = ApiKey(name="shop", sha256=digest("fake-key"), scopes=frozenset({"send"}), chatbots=frozenset({"shop-bot"}))


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic fake-key", "Bearer other", "fake-key"])
def test_a_missing_or_unknown_key_is_refused(header):
    with pytest.raises(Unauthenticated):
        authenticate(header, {KEY.sha256: KEY})


async def call(*handlers, method="GET", path="/", **options):
    app = Litestar(
        route_handlers=list(handlers), exception_handlers=exception_handlers(), openapi_config=None, logging_config=None
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.request(method, path, **options)


@pytest.mark.parametrize(
    ("scope", "chatbot", "status"), [("send", "shop-bot", 200), ("read", "shop-bot", 403), ("send", "other", 403)]
)
async def test_a_key_reaches_its_scopes_and_chatbots_only(scope, chatbot, status):
    @get("/", guards=[require(scope, [KEY])], sync_to_thread=False)
    def handler(request: Request) -> dict[str, str]:
        check_chatbot(request, chatbot)
        return {"key": request.state.api_key.name}

    answer = await call(handler, headers={"authorization": "Bearer fake-key"})
    assert answer.status_code == status
    assert answer.json() == {"key": "shop"} if status == 200 else answer.json()["error"]["code"] == Forbidden.code


@pytest.mark.parametrize(
    ("query", "unknown"),
    [
        ("", None),
        ("chatbotId=a&limit=2", None),
        ("chatbotID=a", "chatbotID"),
        ("chatbot=a", "chatbot"),
        ("limit=2&Limit=3", "Limit"),
        ("limit=2&", None),
        ("=1", ""),
        ("%24where=1", "$where"),
        ("%ff=1", "\ufffd"),
        ("a" * 5_000 + "=1", "a" * 64),
    ],
)
async def test_a_query_parameter_that_a_route_does_not_have_is_refused(query, unknown):
    @get("/", guards=[require("read", [KEY.model_copy(update={"scopes": frozenset({"read"})})])], sync_to_thread=False)
    def handler(
        chatbot: Annotated[str | None, QueryParameter(name="chatbotId")] = None,
        limit: Annotated[int, QueryParameter(ge=1)] = 5,
    ) -> dict[str, Any]:
        return {"chatbot": chatbot, "limit": limit}

    answer = await call(handler, path=f"/?{query}", headers={"authorization": "Bearer fake-key"})
    assert answer.status_code == (200 if unknown is None else 400)
    if unknown is not None:
        error = answer.json()["error"]
        assert (error["code"], error["details"]) == ("unknown_parameter", [{"field": unknown, "message": "unknown"}])
        assert error["message"].endswith("there is: `chatbotId`, `limit`")
        assert ("did you mean `chatbotId`?" in error["message"]) == (unknown in {"chatbotID", "chatbot"})
    assert (await call(handler, path=f"/?{query}")).status_code == 401  # a caller without a key is told nothing


@pytest.mark.parametrize(
    ("query", "twice"),
    [
        ("chatbotId=a&chatbotId=b", "chatbotId"),
        ("chatbotId=a&limit=2&chatbotId=a", "chatbotId"),
        ("limit=2&limit=", "limit"),
        ("limit=2&%6cimit=3", "limit"),
    ],
)
async def test_a_query_parameter_that_stands_twice_is_refused(query, twice):
    @get("/", guards=[require("read", [KEY.model_copy(update={"scopes": frozenset({"read"})})])], sync_to_thread=False)
    def handler(
        chatbot: Annotated[str | None, QueryParameter(name="chatbotId")] = None,
        limit: Annotated[int, QueryParameter(ge=1)] = 5,
    ) -> dict[str, Any]:
        return {"chatbot": chatbot, "limit": limit}

    answer = await call(handler, path=f"/?{query}", headers={"authorization": "Bearer fake-key"})
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "code": "repeated_parameter",
        "message": f"the query parameter `{twice}` is given more than once; give it once",
        "details": [{"field": twice, "message": "given more than once"}],
    }


class Body(BaseModel):
    size: int


async def test_errors_are_answered_with_a_code_and_a_sentence():
    @get("/conflict", sync_to_thread=False)
    def conflict() -> None:
        raise Conflict("the number belongs to another account", details={"phoneNumberId": "1"})

    @get("/away", sync_to_thread=False)
    def away() -> None:
        raise Unavailable("Kafka did not confirm in time")

    @get("/bug", sync_to_thread=False)
    def bug() -> None:
        raise RuntimeError("fake-secret-in-a-message")

    @post("/body", sync_to_thread=False)
    def body(data: JSONBody[Body]) -> None: ...

    refused = await call(conflict, path="/conflict")
    assert refused.status_code == 409
    assert refused.json()["error"]["details"] == {"phoneNumberId": "1"}
    unavailable = await call(away, path="/away")
    assert (unavailable.status_code, unavailable.headers["retry-after"]) == (503, "1")
    unexpected = await call(bug, path="/bug")
    assert unexpected.status_code == 500
    assert "fake-secret" not in unexpected.text
    assert (await call(body, method="POST", path="/body", json={"size": "large"})).status_code == 400
    assert (await call(body, method="POST", path="/body", content=b"{")).status_code == 400
    assert (await call(body, path="/nowhere")).json()["error"]["code"] == "not_found"


def test_field_errors_name_the_field_the_limit_and_what_was_given():
    with pytest.raises(ValidationError) as caught:
        SendRequest.model_validate({"chatbotId": "bot", "to": "1", "message": "Hi"})
    (error,) = refusals(caught.value)
    assert (error["field"], error["limit"], error["given"]) == ("to", 5, "1")


async def test_ready_names_the_dependency_that_is_away():
    async def yes() -> bool:
        return True

    async def broken() -> bool:
        raise OSError

    answer = await call(*health_routes({"kafka": yes, "mongo": broken}), path="/health/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"kafka": True, "mongo": False}
    assert (await call(*health_routes({"mongo": broken}), path="/health/live")).status_code == 200
    assert (await call(*health_routes({}, alive=lambda: False), path="/health/live")).status_code == 503


@pytest.mark.parametrize(
    "name", ["access_token", "accessToken", "app_secret", "text", "body", "wa_id", "phone", "Authorization"]
)
def test_sensitive_log_fields_are_redacted(name):
    assert redact(name, "fake-secret") == REDACTED


def test_a_log_line_is_one_json_object():
    record = logging.makeLogRecord(
        {"name": "x", "levelname": "INFO", "msg": "sent %s", "args": ("1",), "attempt": 2, "access_token": "fake"}
    )
    line = json.loads(JsonFormatter("sender").format(record))
    assert (line["message"], line["attempt"], line["access_token"]) == ("sent 1", 2, REDACTED)


def test_a_field_does_not_stand_in_for_what_every_line_has():
    record = logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": "throughput", "level": "STANDARD"})
    line = json.loads(JsonFormatter("sender").format(record))
    assert (line["level"], line["level_"]) == ("info", "STANDARD")


def test_at_debug_libraries_keep_quiet_about_what_they_carry(capsys):
    """The driver of MongoDB logs its commands there, with the documents."""
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        configure_logging("sender", "DEBUG")
        logging.getLogger("pymongo.command").debug('{"insert": "messages", "text": "fake words of a customer"}')
        logging.getLogger("sender.delivery.attempt").debug("send attempted")
        logging.getLogger("common.kafka").debug("fetched")
    finally:
        logging.basicConfig(handlers=before[0], level=before[1], force=True)
        for name in ("sender", "common"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    lines = [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["send attempted", "fetched"]


def test_a_header_without_a_value_counts_as_absent():
    assert read_headers([("a", b"1"), ("b", None), ("a", b"2")]) == {"a": "2"}


def test_trace_fields_that_are_too_long_are_left_out():
    trace = trace_of({"correlation-id": "x" * 600_000, "tracestate": "y" * 100_000}, fallback_correlation_id="mine")
    assert (trace.correlation_id, trace.tracestate) == ("mine", None)
    assert trace_of({"correlation-id": "theirs"}, fallback_correlation_id="mine").correlation_id == "theirs"


class Named(BaseModel):
    name: str


@post("/")
async def named(data: JSONBody[Named]) -> str:
    return data.name


@pytest.mark.parametrize(
    "body", [b'{"name": "\xff"}', b"\xff\xfe", b"[" * 100_000, b'{"name":' * 50_000, b'{"name": "\\ud83d"}', b"1e999"]
)
async def test_a_body_that_cannot_be_decoded_is_the_caller_s_mistake(body):
    answer = await call(named, method="POST", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_input")


@pytest.mark.parametrize("error", [UnicodeDecodeError("utf-8", b"\xff", 0, 1, "mistake"), RecursionError("mistake")])
async def test_the_same_error_of_our_own_code_stays_a_mistake_of_ours(error, caplog):
    @get("/")
    async def broken() -> None:
        raise error

    answer = await call(broken)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "unexpected error" in caplog.text
