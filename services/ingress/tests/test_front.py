"""What goes past the framework is answered as within it; and a plain body is cut as a careful one."""

import json
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar, asgi, get

from ingress.core import _cut_body, _cut_plain
from ingress.front import Front
from ingress.routes import PATH, WebhookRoute

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@get("/health/live")
async def live() -> dict[str, bool]:
    return {"success": True}


def applications():
    webhook = WebhookRoute([], None, None)
    app = Litestar([asgi(PATH, copy_scope=False)(webhook.__call__), live], openapi_config=None)
    return app, Front(webhook, app)


@pytest.mark.parametrize("path", [PATH, PATH + "/", "/whatsapp-cloud", "/health/live"])
@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE", "OPTIONS"])
async def test_with_and_without_it_the_answer_is_the_same(method, path):
    answers = []
    for application in applications():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://test") as client:
            answer = await client.request(method, path)
            answers.append((answer.status_code, answer.content, answer.headers.get("content-type")))
    assert answers[0] == answers[1]


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
