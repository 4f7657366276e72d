"""What goes past the framework is answered as within it; and a plain body is cut as a careful one."""

import json
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar, asgi, get

from common.security.signature import signature_of
from ingress.app import build_fast_path
from ingress.fast_path import FastPath
from ingress.parsing.core import _cut_body, _cut_plain
from ingress.routes import MAX_BODY_BYTES, PATH, WebhookRoute
from ingress.settings import Settings

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@get("/health/live")
async def live() -> dict[str, bool]:
    return {"success": True}


def applications():
    webhook = WebhookRoute([], None, None)
    app = Litestar([asgi(PATH, copy_scope=False)(webhook.__call__), live], openapi_config=None)
    return app, FastPath(webhook, app)


@pytest.mark.parametrize("path", [PATH, PATH + "/", "/whatsapp-cloud", "/health/live"])
@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE", "OPTIONS"])
async def test_with_and_without_it_the_answer_is_the_same(method, path):
    answers = []
    for application in applications():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://test") as client:
            answer = await client.request(method, path)
            answers.append((answer.status_code, answer.content, answer.headers.get("content-type")))
    assert answers[0] == answers[1]


SECRET, TOKEN = "fake-app-secret", "fake-verify-token"
DOCS = "/whatsapp-cloud/docs/ingress"


@pytest.fixture(scope="module")
def front():
    """Ingress as it is built, which was not started: Kafka is away."""
    return build_fast_path(
        Settings(kafka_bootstrap_servers="127.0.0.1:1", whatsapp_app_secrets=SECRET, whatsapp_verify_token=TOKEN)
    )


async def answer_of(application, method, path, *, query=b"", headers=(), body=b"", kind="http"):
    """What an ASGI server is told to send; it would not tidy the path up as a client does."""
    scope = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [(b"host", b"test"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        **({"method": method} if kind == "http" else {"subprotocols": []}),
    }
    first = (
        {"type": "http.request", "body": body, "more_body": False} if kind == "http" else {"type": kind + ".connect"}
    )
    incoming, sent = [first], []

    async def receive():
        return incoming.pop(0) if incoming else {"type": kind + ".disconnect"}

    async def send(message):
        sent.append({**message, "headers": sorted(message.get("headers", ()))})

    await application(scope, receive, send)
    return sent


async def both(front, *request, **more):
    with_front, without = [await answer_of(one, *request, **more) for one in (front, front.app)]
    assert with_front == without
    return with_front


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "HEAD", "OPTIONS", "PATCH", "DELETE", "TRACE", "BREW"])
@pytest.mark.parametrize(
    "path",
    [
        PATH,
        PATH + "/",
        PATH + "//",
        "/" + PATH,
        PATH + "/x",
        PATH[:-1],
        PATH.upper(),
        PATH.replace("/webhook", "//webhook"),
        "/",
        "/nowhere",
        "/health/live",
        "/health/ready",
        DOCS,
        DOCS + "/openapi.json",
    ],
)
async def test_of_ingress_too(front, method, path):
    assert (await both(front, method, path))[0]["type"] == "http.response.start"


@pytest.mark.parametrize("path", [PATH, PATH + "/"])
async def test_meta_reaches_the_route(front, path):
    query = f"hub.mode=subscribe&hub.verify_token={TOKEN}&hub.challenge=17".encode()
    begin, body = await both(front, "GET", path, query=query)
    assert (begin["status"], body["body"]) == (200, b"17")
    begin, _ = await both(front, "GET", path, query=query.replace(b"subscribe", b"unsubscribe"))
    assert begin["status"] == 403
    signed = [(b"x-hub-signature-256", signature_of(b"{}", SECRET.encode()))]
    for headers, status in ((signed, 503), ([], 400), ([(b"content-length", b"%d" % (MAX_BODY_BYTES + 1))], 413)):
        begin, _ = await both(front, "POST", path, headers=headers, body=b"{}")
        assert begin["status"] == status


@pytest.mark.parametrize("path", [PATH, PATH + "/"])
async def test_the_webhook_does_not_pass_through_the_framework(path):
    taken = []

    async def webhook(scope, receive, send):
        taken.append(scope["path"])

    async def framework(scope, receive, send):
        raise AssertionError(scope)

    await answer_of(FastPath(webhook, framework), "POST", path)
    assert taken == [path]


async def test_what_is_not_the_webhook_is_answered_by_the_framework(front):
    statuses = {}
    for path in ("/health/live", "/health/ready", DOCS, DOCS + "/openapi.json", "/nowhere", PATH + "/x"):
        statuses[path] = (await both(front, "GET", path))[0]["status"]
    assert list(statuses.values()) == [200, 503, 200, 200, 404, 404]


@pytest.mark.parametrize("path", [PATH, "/nowhere"])
async def test_a_websocket_is_left_to_the_framework(front, path):
    told = []
    for application in (front, front.app):
        try:
            told.append(await answer_of(application, "", path, kind="websocket"))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the same
            told.append(repr(error))
    assert told[0] == told[1]


async def test_the_application_begins_and_ends_behind_it():
    told, sent = [], []
    app = Litestar(on_startup=[lambda: told.append("begun")], on_shutdown=[lambda: told.append("ended")])
    incoming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive():
        return incoming.pop(0)

    async def send(message):
        sent.append(message["type"])

    await FastPath(WebhookRoute([], None, None), app)({"type": "lifespan", "asgi": {}, "state": {}}, receive, send)
    assert told == ["begun", "ended"]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


scalar = st.one_of(st.none(), st.integers(0, 10**11), st.text(max_size=6), st.sampled_from(["1700000000", "sent"]))
person = st.fixed_dictionaries(
    {}, optional={"wa_id": scalar, "user_id": scalar, "profile": st.none() | st.just({"name": "A"})}
)
message = st.fixed_dictionaries(
    {"id": scalar}, optional={"from": scalar, "from_user_id": scalar, "timestamp": scalar, "type": scalar}
)
status = st.fixed_dictionaries({"id": scalar, "status": scalar}, optional={"recipient_id": scalar, "timestamp": scalar})
listed = lambda inner: st.one_of(st.none(), st.lists(inner, max_size=3), st.just("no list"))  # noqa: E731  # a table's word
value = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.one_of(st.none(), st.fixed_dictionaries({}, optional={"phone_number_id": scalar})),
        "contacts": listed(person),
        "messages": listed(message),
        "statuses": listed(status),
        "errors": st.one_of(st.none(), st.just([{"code": 1}])),
        "recipient": st.just({"phone_number_id": "9"}),
    },
)
change = st.fixed_dictionaries(
    {"field": st.sampled_from(["messages", "messages", "other", None])}, optional={"value": value}
)
entry = st.fixed_dictionaries({}, optional={"id": scalar, "time": scalar, "changes": listed(change)})
bodies = st.fixed_dictionaries({"object": st.just("whatsapp_business_account")}, optional={"entry": listed(entry)})


@given(bodies)
def test_a_plain_body_has_the_facts_that_the_careful_cutting_finds(given_body):
    body = json.dumps(given_body).encode()
    plain = _cut_plain(body, NOW)
    if plain:
        assert plain == list(_cut_body(body, NOW))


def test_an_ordinary_message_is_plain():
    body = {"entry": [{"id": "1", "changes": [{"field": "messages", "value": {"messages": [{"id": "wamid.1"}]}}]}]}
    assert len(_cut_plain(json.dumps(body).encode(), NOW)) == 1
