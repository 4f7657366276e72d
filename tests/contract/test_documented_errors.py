"""Every documented error is one that the call answers: each is made to happen, and has the code and words of its example.

The applications are the real ones, not started. What is beside them (MongoDB, Kafka, Meta) is played by a few patches.
"""

import hmac
import json
import sys
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import AutoReconnect, DuplicateKeyError

from common.contracts.accounts import ACTIVE, DEACTIVATED, AccountData
from common.contracts.journal import State
from common.http.auth import digest
from common.http.clients.accounts import CredentialsClient
from common.http.uploads.capacity import Capacity
from common.kafka.consume.table import Table
from common.kafka.consume.unfinished import UnfinishedSends
from common.meta.client import Answered, Unclear
from common.meta.media.upload import MediaClient, UploadFailed
from common.mongo import Mongo
from sender.clock import utc_now
from sender.delivery.transitions import new_entry
from sender.journal.store import JournalStore

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("ingress", "conversation", "sender", "accounts")
WHOLE = json.loads((ROOT / "docs" / "contracts" / "openapi.json").read_text())
NAMES = {"chatbot_id": "shop-bot", "message_id": "order-17", "conversation_id": "c-1"}
OF_CHATBOT = {"params": {"chatbotId": "shop-bot"}}
MESSAGE = {"chatbotId": "shop-bot", "to": "+491510000001", "message": "Hello!"}
ACCOUNT = {"chatbotId": "shop-bot", "phoneNumberId": "106540352242922", "accessToken": "t", "webhookVerifyToken": "v"}
FILE = {**OF_CHATBOT, "content": b"abc", "headers": {"content-type": "image/png"}}
KEYS = [
    {"name": "all", "sha256": digest("fake-all"), "scopes": ["send", "read", "accounts"]},
    {"name": "none", "sha256": digest("fake-none"), "scopes": ["windows"]},
]
SIGNATURE = "sha256=" + hmac.new(b"fake-secret", b"{}", "sha256").hexdigest()
META = b'{"error": {"code": 100, "message": "Invalid parameter"}}'
GOOD = {
    "saveAccount": {"json": ACCOUNT},
    "sendMessage": {"json": MESSAGE},
    "sendBatch": {"json": {"messages": [MESSAGE]}},
    "uploadMedia": FILE,
    "getSend": OF_CHATBOT,
    "cancelSend": OF_CHATBOT,
    "receiveWebhook": {"content": b"{}", "headers": {"x-hub-signature-256": SIGNATURE}},
    "findMessages": {"params": {"status": "failed", "chatbotId": "shop-bot"}},
}


def operations():
    """Operation id → its service, method, path and documented errors."""
    found = {}
    for service in SERVICES:
        document = json.loads((ROOT / "docs" / "contracts" / f"openapi-{service}.json").read_text())
        for path, calls in document["paths"].items():
            for method, call in calls.items():
                found[call["operationId"]] = (service, method.upper(), path, call["responses"])
    return found


OPERATIONS = operations()


def examples_of(responses):
    """(status, the error of an example) of each."""
    for status, answer in responses.items():
        if status >= "400":
            for example in answer["content"]["application/json"]["examples"].values():
                yield int(status), example["value"]["error"]


DOCUMENTED = [
    (name, status, error["code"])
    for name, (*_, answers) in OPERATIONS.items()
    for status, error in examples_of(answers)
]


def example_of(name, status, code):
    (found,) = [one for at, one in examples_of(OPERATIONS[name][3]) if (at, one["code"]) == (status, code)]
    return found


def raising(error):
    async def call(*_given, **_named):
        raise error

    return call


def giving(value):
    async def call(*_given, **_named):
        return value

    return call


class Away:
    """MongoDB does not answer; Kafka never does here."""

    def __init__(self, patch):
        for name in ("find_one", "find_one_and_update", "bulk_write", "aggregate", "distinct"):
            patch.setattr(AsyncCollection, name, raising(AutoReconnect("away")))
        patch.setattr(AsyncCollection, "find", self.find)

    def find(self, *_given, **_named):
        raise AutoReconnect("away")


class Nothing:
    """A cursor without documents."""

    def sort(self, *_):
        return self

    limit = sort

    async def to_list(self):
        return []

    async def __aiter__(self):
        for nothing in ():
            yield nothing


def world(patch):
    """Nothing is stored, and the account is there."""
    for name in ("find_one", "find_one_and_update"):
        patch.setattr(AsyncCollection, name, giving(None))
    patch.setattr(AsyncCollection, "find", lambda *_given, **_named: Nothing())
    account(patch, ACTIVE)
    patch.setattr(CredentialsClient, "get", credentials)


async def credentials(_client, _chatbot, *, revision):
    module = import_module("common.http.clients.accounts")
    return module.Credentials("15", module.SecretStr("fake"), revision)


def account(patch, status):
    row = status and AccountData(chatbot_id="shop-bot", phone_number_id="15", status=status, revision=1)
    patch.setattr(Table, "get", lambda *_: row)
    patch.setattr(Table, "catch_up", giving("yes"))


def no_account(patch):
    account(patch, None)


def deactivated(patch):
    account(patch, DEACTIVATED)


def duplicate(key):
    def happens(patch):
        error = DuplicateKeyError("duplicate", details={"keyPattern": {key: 1}})
        patch.setattr(AsyncCollection, "find_one_and_update", raising(error))

    return happens


def sent_already(patch):
    entry = new_entry("j", "shop-bot", "order-17", "+49", utc_now())
    shown = example_of("cancelSend", 409, "not_cancellable")["details"]
    known = {"state": State.ACCEPTED, "wamid": shown["wamid"], "attempt": 1}
    patch.setattr(JournalStore, "load_one", giving(type(entry)(**{**fields_of(entry), **known})))


def fields_of(entry):
    return {name: getattr(entry, name) for name in entry.__struct_fields__}


def under_way(patch):
    take = Capacity.take
    patch.setattr(Capacity, "take", lambda room, _units, holder="": take(room, 1 << 60, holder))


def meta(end):
    def answers(patch):
        patch.setattr(MediaClient, "upload", raising(UploadFailed(end)))

    return answers


LIMIT_0, LIMIT_5 = {"params": {"limit": "0"}}, {"params": {"limit": "5"}}
CASES = {
    **{(name, 400): LIMIT_0 for name in ("listConversations", "listMessages", "listWebhookEvents", "listUsage")},
    **{(name, 400): LIMIT_5 for name in ("getConversation", "getMessage", "getAccount", "deactivateAccount")},
    **{(name, 400): {} for name in ("findMessages", "getSend", "cancelSend")},
    ("uploadMedia", 400): {"content": b"abc"},
    ("getUsageSummary", 400): {"params": {"from": "yesterday"}},
    ("getNumber", 400): {"path": "/whatsapp-cloud/numbers/a%20b"},
    ("saveAccount", 400): {"json": {"chatbotId": "shop-bot"}},
    ("sendMessage", 400): {"json": {"chatbotId": "shop-bot", "message": "Hello!"}},
    ("sendBatch", 400): {"json": {"messages": []}},
    ("sendMessage", 413): {"content": b"x" * 900_001},
    ("sendBatch", 413): {"content": b"x" * 9_000_000},
    ("uploadMedia", 413): {**FILE, "headers": {"content-type": "image/png", "content-length": "6000000"}},
    ("receiveWebhook", 400): {"content": b"{}"},
    ("receiveWebhook", 413): {"content": b"x", "headers": {"content-length": "9000000"}},
    ("uploadMedia", 415): {**FILE, "headers": {"content-type": "image/gif"}},
}
"""Requests of another form, by call and status; for all others the good request is made."""

HAPPENS = {
    "unknown_account": no_account,
    "account_deactivated": deactivated,
    "mongo_unavailable": Away,
    "meta_unavailable": meta(Unclear("ConnectError")),
    "refused_by_meta": meta(Answered(400, META)),
    "number_taken": duplicate("phoneNumberId"),
    "account_changed": duplicate("_id"),
    "not_cancellable": sent_already,
    "too_many_requests": under_way,
}
"""What is different, by the error's code."""


@pytest.fixture(scope="module")
async def applications():
    """One of each service, not started."""
    made, init = [], Mongo.__init__

    def kept(mongo, settings, **options):
        init(mongo, settings, **options)
        made.append(mongo)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Mongo, "__init__", kept)
        patch.setattr(UnfinishedSends, "find", giving(None))  # the routes hold this method
        yield {service: application(service) for service in SERVICES}
    for mongo in made:
        await mongo.close()


def application(service):
    sys.path.insert(0, str(ROOT / "scripts" / "generate"))
    try:
        contracts = import_module("contracts")
    finally:
        sys.path.pop(0)
    more = {"whatsapp_app_secrets": "fake-secret"} if service == "ingress" else {"api_keys": KEYS}
    settings = import_module(f"{service}.settings").Settings(**contracts.REQUIRED.get(service, {}), **more)
    return import_module(f"{service}.app").build_app(settings)


async def answer_of(applications, name, status, patch, code):
    service, method, path, _ = OPERATIONS[name]
    given = dict(CASES.get((name, status), GOOD.get(name, {})))
    world(patch)
    HAPPENS.get(code, lambda _: None)(patch)
    key = {401: None, 403: "fake-none"}.get(status, "fake-all")
    headers = {**given.pop("headers", {}), **({"authorization": f"Bearer {key}"} if key else {})}
    url = given.pop("path", path.format(**NAMES))
    transport = httpx.ASGITransport(applications[service], raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service.invalid") as client:
        return await client.request(method, url, headers=headers, **given)


@pytest.mark.parametrize(("name", "status", "code"), DOCUMENTED)
async def test_a_documented_error_is_what_the_call_answers(applications, name, status, code, monkeypatch):
    example = example_of(name, status, code)
    answer = await answer_of(applications, name, status, monkeypatch, code)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (example["code"], example["message"])
    assert shape_of(error.get("details")) == shape_of(example.get("details"))


def shape_of(details):
    """What is true of details at any time: their names, and the sentences of wrong fields."""
    if isinstance(details, list):
        return [(one["field"], one["message"]) for one in details]
    return None if details is None else type(details)


@pytest.mark.parametrize("name", OPERATIONS)
def test_details_of_a_wrong_request_are_a_list_of_fields(name):
    for status, error in examples_of(OPERATIONS[name][3]):
        if status == 400:
            assert all(one.keys() >= {"field", "message"} for one in error.get("details", []))


def test_each_call_says_what_it_needs():
    (status,) = [
        one for one in WHOLE["paths"]["/whatsapp-cloud/messages"]["get"]["parameters"] if one["name"] == "status"
    ]
    assert status["required"] is True
    form = WHOLE["paths"]["/whatsapp-cloud/media"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert (form["properties"]["file"]["format"], form["required"]) == ("binary", ["file"])


def test_the_whole_document_says_where_the_api_is():
    assert [server["url"] for server in WHOLE["servers"]] == ["/", "http://localhost:3000"]
