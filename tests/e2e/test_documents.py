"""What every call really answers is what its document says: no field is missing, and none is there that it lacks."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from aiohttp import ClientSession

from testbed.client import eventually
from testbed.plan import PREFIX

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

DOCUMENT = Path(__file__).parents[2] / "docs" / "contracts" / "openapi.json"


@pytest.fixture(scope="module")
def document():
    """The document of the whole API, with answers that may have no further fields."""
    whole = json.loads(DOCUMENT.read_text())
    strict = copy.deepcopy(whole)
    for schema in strict["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return strict


def schema_of(document, method, path, status):
    call = document["paths"][f"{PREFIX}{path}"][method.lower()]
    (content,) = call["responses"][str(status)]["content"].values()
    return {**content["schema"], "components": document["components"]}


def codes_of(document, method, path, status):
    """The codes of the documented examples of an error."""
    answer = document["paths"][f"{PREFIX}{path}"][method.lower()]["responses"][str(status)]
    return {one["value"]["error"]["code"] for one in answer["content"]["application/json"]["examples"].values()}


@pytest.fixture
def told(document, system):
    """Makes a call, and checks its answer against the document; the answer."""

    async def call(method, path, body=None, *, status=200, key=None, query="", **names):
        headers = {"authorization": f"Bearer {key or system.secret.api_key}"}
        url = f"{system.urls['gateway']}{PREFIX}{path.format(**names)}{query}"
        async with ClientSession() as session, session.request(method, url, json=body, headers=headers) as answer:
            found = await answer.json()
        assert answer.status == status, found
        jsonschema.validate(found, schema_of(document, method, path, status))
        assert status < 400 or found["error"]["code"] in codes_of(document, method, path, status)
        return found.get("data", found)

    return call


async def test_every_answer_is_as_documented(told, client, bot):
    phone, chatbot = bot.phone(1), f"?chatbotId={bot.chatbot_id}"
    await client.says(phone, bot.number, "Hello", "Ada")
    await bot.settled(1, 1)
    sent = await told(
        "POST", "/send", {"chatbotId": bot.chatbot_id, "to": phone, "message": "and this", "metadata": {"a": 1}}
    )

    async def delivered():
        found = await client.api("GET", f"/messages/{sent['messageId']}{chatbot}", expect=None)
        return found.get("data", {}).get("deliveryStatus") == "read"

    await eventually("it is read", delivered)
    batch = {"chatbotId": bot.chatbot_id, "messages": [{"to": phone, "message": "one"}, {"to": phone}]}
    assert (await told("POST", "/send/batch", batch))["refused"] == 1
    await told("GET", "/send/{message_id}", query=chatbot, message_id=sent["messageId"])
    await told("DELETE", "/send/{message_id}", query=chatbot, message_id="never-sent")
    await told("GET", "/numbers/{chatbot_id}", chatbot_id=bot.chatbot_id)
    (conversation,) = await told("GET", "/conversations", query=chatbot)
    await told("GET", "/conversations/{conversation_id}", conversation_id=conversation["id"])
    thread = await told("GET", "/conversations/{conversation_id}/messages", conversation_id=conversation["id"])
    assert {message["direction"] for message in thread} == {"inbound", "outbound"}
    await told("GET", "/messages/{message_id}", message_id=thread[0]["id"])
    assert await told("GET", "/messages", query=f"{chatbot}&status=read&since=2026-01-01T00:00:00Z")
    assert await told("GET", "/webhook-events")
    assert await told("GET", "/usage", query=chatbot)
    assert (await told("GET", "/usage/summary", query=chatbot))["rows"]
    await told("GET", "/account/{chatbot_id}", chatbot_id=bot.chatbot_id)
    await told("POST", "/account/{chatbot_id}/deactivate", chatbot_id=bot.chatbot_id)


async def test_every_error_is_as_documented(told):
    await told("POST", "/send", {"to": 5}, status=400)
    await told("POST", "/send", {}, status=401, key="wk_fake_and_unknown")
    await told("POST", "/send", {"chatbotId": "nobody", "to": "+491510000001", "message": "x"}, status=404)
    await told("GET", "/conversations", status=400, query="?limit=0")
    await told("GET", "/messages/{message_id}", status=404, message_id="none")
    await told("GET", "/messages", status=400, query="?status=failed&since=yesterday")
    await told("GET", "/account/{chatbot_id}", status=404, chatbot_id="nobody")
    await told("GET", "/numbers/{chatbot_id}", status=404, chatbot_id="nobody")
    await told("GET", "/send/{message_id}", status=404, message_id="none", query="?chatbotId=nobody")
    await told("GET", "/send/{message_id}", status=400, message_id="none")
    await told("GET", "/messages", status=400)
    await told("POST", "/media", status=400)
    await told("POST", "/send/batch", {"messages": []}, status=400)
    await told("POST", "/account", {"chatbotId": "x"}, status=400)
