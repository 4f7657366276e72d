"""What a tenant's own key may change, case by case: with Meta's answer, and against a change in between."""

import asyncio
import base64
import uuid
from contextlib import asynccontextmanager

import httpx
import pytest
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from accounts.app import build_apps
from accounts.core import AccountRequest
from accounts.proofs import ProofSlots, check_plan, check_retention, needs_proof
from accounts.settings import Settings
from accounts.store import AccountStore
from common.errors import Forbidden, Unavailable
from common.http.auth import ApiKey, digest
from common.meta.onboarding import Onboarding
from common.mongo import Mongo
from graph_emulator.app import build_app
from graph_emulator.config import Config
from graph_emulator.emulator import Emulator
from graph_emulator.state.directory import Business

ACCOUNT = "/whatsapp-cloud/account"
WABA, WABA_2, FOREIGN_WABA = "100000000000001", "100000000000002", "100000000000009"
TOKEN, FOREIGN_TOKEN = "fake-token", "fake-token-of-another-tenant"
NUMBER, NUMBER_2, FOREIGN_NUMBER = "200000000000001", "200000000000002", "200000000000009"
DEAD = "http://127.0.0.1:1"
OPERATOR, TENANT = (
    ApiKey(name=name, sha256="0" * 64, scopes=["accounts"], chatbots=chatbots)
    for name, chatbots in (("ops", ["*"]), ("tenant", ["bot"]))
)
STORED = {"phoneNumberId": NUMBER, "wabaId": WABA, "status": "active", "plan": "standard"}


def request_of(**changes):
    return AccountRequest.model_validate({"chatbotId": "bot", "phoneNumberId": NUMBER, **changes})


NEEDS_PROOF = {
    "a new account": ({}, None, True),
    "an activation": ({}, STORED | {"status": "deactivated"}, True),
    "an activation with the same WABA": ({"wabaId": WABA}, STORED | {"status": "deactivated"}, True),
    "another number": ({"phoneNumberId": NUMBER_2}, STORED, True),
    "another WABA": ({"wabaId": WABA_2}, STORED, True),
    "a first WABA": ({"wabaId": WABA}, {k: v for k, v in STORED.items() if k != "wabaId"}, True),
    "nothing new": ({"wabaId": WABA}, STORED, False),
    "another access token": ({"accessToken": "fake-new"}, STORED, False),
    "another verify token": ({"webhookVerifyToken": "fake-new"}, STORED, False),
}


@pytest.mark.parametrize(("changes", "stored", "needed"), NEEDS_PROOF.values(), ids=NEEDS_PROOF)
def test_what_a_bound_key_has_to_prove_and_an_operator_has_not(changes, stored, needed):
    assert needs_proof(request_of(**changes), stored, TENANT) is needed
    assert needs_proof(request_of(**changes), stored, OPERATOR) is False


@pytest.mark.parametrize("days", [0, 30, 36_500, None])
def test_messages_are_kept_for_long_enough_to_recognise_what_comes_again(days):
    assert request_of(retention={"messagesDays": days}).retention.messages_days == days


@pytest.mark.parametrize("days", [1, 29])
def test_fewer_days_are_refused_with_what_to_do(days):
    with pytest.raises(ValidationError, match="at least 30 days, or for good"):
        request_of(retention={"messagesDays": days})


@pytest.mark.parametrize("stored", [None, STORED, STORED | {"retention": {"messagesDays": 90}}])
@pytest.mark.parametrize("retention", [None, {}, {"messagesDays": 90}, {"messagesDays": 0}, {"usageDays": 1}])
def test_a_bound_key_does_not_change_the_retention(stored, retention):
    request = request_of(retention=retention)
    check_retention(request, stored, OPERATOR)
    if retention in (None, (stored or {}).get("retention", {})):
        check_retention(request, stored, TENANT)
    else:
        with pytest.raises(Forbidden):
            check_retention(request, stored, TENANT)


@pytest.mark.parametrize("stored", [None, STORED, STORED | {"plan": "free"}, STORED | {"plan": "premium"}])
@pytest.mark.parametrize("plan", [None, "free", "standard", "premium"])
def test_a_bound_key_does_not_change_the_plan(stored, plan):
    request = request_of(plan=plan)
    check_plan(request, stored, OPERATOR)
    if plan in (None, (stored or STORED)["plan"]):
        check_plan(request, stored, TENANT)
    else:
        with pytest.raises(Forbidden):
            check_plan(request, stored, TENANT)


def test_one_key_asks_a_few_times_at_once_and_leaves_the_others_alone():
    slots = ProofSlots(at_once=1)
    with slots.taken(TENANT):
        with pytest.raises(Unavailable), slots.taken(TENANT):
            pass
        with slots.taken(TENANT.model_copy(update={"name": "another"})), slots.taken(OPERATOR), slots.taken(OPERATOR):
            pass
    with slots.taken(TENANT):
        pass


@pytest.fixture
def settings(kafka_bootstrap, mongodb_uri):
    keys = [("ops", ["*"]), ("tenant", ["bot", "bot-2"]), ("other", ["other-bot"])]
    return Settings(
        kafka_bootstrap_servers=kafka_bootstrap,
        mongodb_uri=mongodb_uri,
        mongodb_database=f"accounts_{uuid.uuid4().hex[:10]}",
        graph_base_url=DEAD,
        graph_total_seconds=2,
        accounts_keks={"k": base64.b64encode(b"k" * 32).decode()},
        verify_digest_keys={"v": base64.b64encode(b"v" * 32).decode()},
        api_keys=[
            {"name": name, "sha256": digest(f"fake-{name}"), "scopes": ["accounts"], "chatbots": chatbots}
            for name, chatbots in keys
        ],
    )


@asynccontextmanager
async def meta():
    """Meta with two tenants: each token reaches its own WABAs and their numbers. The address of its Graph API."""
    emulator = Emulator(Config(app_secret="fake-app-secret"))
    for number, waba in ((NUMBER, WABA), (NUMBER_2, WABA_2), (FOREIGN_NUMBER, FOREIGN_WABA)):
        emulator.directory.add_business(Business(number, waba, f"1555000{number[-4:]}"))
    emulator.directory.grant(TOKEN, WABA)
    emulator.directory.grant(TOKEN, WABA_2)
    emulator.directory.grant(FOREIGN_TOKEN, FOREIGN_WABA)
    emulator.directory.grant("fake-expired", WABA)
    emulator.directory.expire("fake-expired", 1)
    async with TestServer(build_app(emulator)) as server:
        yield str(server.make_url(""))


@asynccontextmanager
async def serving(settings, **changes):
    public = build_apps(settings.model_copy(update=changes)).public
    client = httpx.AsyncClient(transport=httpx.ASGITransport(public), base_url="http://test")
    mongo = Mongo(settings)
    async with public.lifespan(), client, asyncio.timeout(60):
        while (await client.get("/health/ready")).status_code != 200:
            await asyncio.sleep(0.05)
        yield Api(client, AccountStore(mongo))
    await mongo.client.drop_database(settings.mongodb_database)
    await mongo.close()


class Api:
    def __init__(self, client, store):
        self.client, self.store = client, store

    async def save(self, key="tenant", bot="bot", **changes):
        given = {"chatbotId": bot, "phoneNumberId": NUMBER, "accessToken": TOKEN, "webhookVerifyToken": "fake-verify"}
        body = {name: value for name, value in (given | changes).items() if value is not None}
        return await self.client.post(ACCOUNT, json=body, headers={"authorization": f"Bearer fake-{key}"})

    async def call(self, method, path, key):
        return await self.client.request(method, path, headers={"authorization": f"Bearer fake-{key}"})


def kept(document):
    return None if document is None else {name: document[name] for name in ("phoneNumberId", "status", "revision")}


STARTS = {
    "nothing": [],
    "active": [{}],
    "deactivated": [{}, "deactivate"],
    "another's": [{"bot": "other-bot", "phoneNumberId": FOREIGN_NUMBER, "accessToken": FOREIGN_TOKEN}],
}
CASES = {
    "a proven new account": ("nothing", {"wabaId": WABA}, True, 200, None),
    "a number that was never registered": ("nothing", {"phoneNumberId": FOREIGN_NUMBER}, True, 400, "phoneNumberId"),
    "another's active number": ("another's", {"phoneNumberId": FOREIGN_NUMBER}, True, 400, "phoneNumberId"),
    "a number that does not exist": ("nothing", {"phoneNumberId": "299999999999999"}, True, 400, "phoneNumberId"),
    "a WABA in place of a number": ("nothing", {"phoneNumberId": WABA}, True, 400, "phoneNumberId"),
    "a token that Meta has not issued": ("nothing", {"accessToken": "fake-nobody"}, True, 400, "accessToken"),
    "an expired token": ("nothing", {"accessToken": "fake-expired"}, True, 400, "accessToken"),
    "another's WABA": ("nothing", {"wabaId": FOREIGN_WABA}, True, 400, "wabaId"),
    "a WABA of one's own that has another number": ("nothing", {"wabaId": WABA_2}, True, 400, "wabaId"),
    "another's WABA for an active account": ("active", {"wabaId": FOREIGN_WABA}, True, 400, "wabaId"),
    "a new account without Meta": ("nothing", {}, False, 503, None),
    "an activation with the stored token": ("deactivated", {"accessToken": None}, True, 200, None),
    "an activation with another's token": ("deactivated", {"accessToken": FOREIGN_TOKEN}, True, 400, "phoneNumberId"),
    "an activation without Meta": ("deactivated", {}, False, 503, None),
    "a move with the stored token": ("active", {"accessToken": None, "phoneNumberId": NUMBER_2}, True, 200, None),
    "a move to another's number": ("active", {"phoneNumberId": FOREIGN_NUMBER}, True, 400, "phoneNumberId"),
    "a move without Meta": ("active", {"phoneNumberId": NUMBER_2}, False, 503, None),
    "another verify token without Meta": ("active", {"webhookVerifyToken": "fake-new"}, False, 200, None),
    "another access token without Meta": ("active", {"accessToken": "fake-new"}, False, 200, None),
    "a plan": ("active", {"plan": "premium"}, True, 403, None),
    "a retention": ("active", {"retention": {"messagesDays": 30}}, True, 403, None),
    "a new account with a plan": ("nothing", {"plan": "premium"}, True, 403, None),
}


async def begin(api, start):
    for step in STARTS[start]:
        if step == "deactivate":
            assert (await api.call("POST", f"{ACCOUNT}/bot/deactivate", "tenant")).status_code == 200
        else:
            assert (await api.save("ops", **step)).status_code == 200


@pytest.mark.integration
@pytest.mark.feature("accounts")
async def test_what_a_bound_key_may_store(settings):
    failed = {}
    async with meta() as url:
        for name, (start, changes, reachable, status, field) in CASES.items():
            own = settings.model_copy(update={"mongodb_database": f"accounts_{uuid.uuid4().hex[:10]}"})
            async with serving(own, graph_base_url=url if reachable else DEAD) as api:
                await begin(api, start)
                before = await api.store.find("bot")
                answer = await api.save(**changes)
                details = answer.json().get("error", {}).get("details") or [{}]
                after = await api.store.find("bot")
                stored = after is not None and after != before
                assert "other-bot" not in answer.text
                if (answer.status_code, details[0].get("field"), stored) != (status, field, status == 200):
                    failed[name] = (answer.status_code, answer.text, kept(before), kept(after))
    assert failed == {}


@pytest.mark.integration
@pytest.mark.parametrize("name", ["a number that was never registered", "another's WABA", "a plan"])
async def test_an_operator_s_key_needs_no_proof(settings, name):
    start, changes, *_ = CASES[name]
    async with serving(settings) as api:
        await begin(api, start)
        assert (await api.save("ops", **changes)).status_code == 200


@pytest.mark.integration
async def test_a_proof_holds_for_the_state_it_was_made_for(settings, monkeypatch):
    """Whatever changes the account while Meta is asked, and by whichever key: the proven save is a 409."""
    prove = Onboarding.prove
    async with meta() as url, serving(settings, graph_base_url=url) as api:
        meanwhile = []

        async def proving(self, *given):
            await prove(self, *given)
            assert (await meanwhile.pop()).status_code == 200

        monkeypatch.setattr(Onboarding, "prove", proving)
        meanwhile.append(api.save("ops", phoneNumberId=NUMBER_2))
        answer = await api.save()
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "account_changed")
        meanwhile.append(api.save("ops", phoneNumberId=FOREIGN_NUMBER, accessToken=FOREIGN_TOKEN))
        answer = await api.save(accessToken=None, phoneNumberId=NUMBER)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "account_changed")
        stored = await api.store.get("bot")
        assert (stored["phoneNumberId"], stored["revision"]) == (FOREIGN_NUMBER, 2)


@pytest.mark.integration
async def test_an_update_without_proof_does_not_undo_a_deactivation_in_between(settings, monkeypatch):
    async with serving(settings) as api:
        await begin(api, "active")
        save = AccountStore.save

        async def deactivated_first(self, *given):
            monkeypatch.setattr(AccountStore, "save", save)
            assert (await api.call("POST", f"{ACCOUNT}/bot/deactivate", "ops")).status_code == 200
            return await save(self, *given)

        monkeypatch.setattr(AccountStore, "save", deactivated_first)
        answer = await api.save(webhookVerifyToken="fake-new")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "account_changed")
        assert (await api.store.get("bot"))["status"] == "deactivated"


@pytest.mark.integration
async def test_a_number_in_use_is_refused_without_saying_whose_it_is(settings):
    async with meta() as url, serving(settings, graph_base_url=url) as api:
        await begin(api, "active")
        answer = await api.save(bot="bot-2")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "number_taken")
        assert "`bot`" not in answer.text
        assert await api.store.find("bot-2") is None


@pytest.mark.integration
@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/deactivate")])
async def test_another_s_chatbot_is_403_whether_it_is_there_or_not(settings, method, path):
    async with serving(settings) as api:
        await begin(api, "another's")
        there, absent = [await api.call(method, f"{ACCOUNT}/{bot}{path}", "tenant") for bot in ("other-bot", "no-bot")]
        assert (there.status_code, absent.status_code) == (403, 403)
        assert there.text.replace("other-bot", "no-bot") == absent.text
        saves = [await api.save(bot=bot) for bot in ("other-bot", "no-bot")]
        assert [answer.status_code for answer in saves] == [403, 403]
        assert kept(await api.store.find("other-bot")) == {
            "phoneNumberId": FOREIGN_NUMBER,
            "status": "active",
            "revision": 1,
        }


@pytest.mark.integration
@pytest.mark.parametrize("bot", ["%00", "a%0D%0Ab", "%ED%A0%80", "%F0%9F%98%80", "x" * 5_000, "%24ref", "a%2Fb", "*"])
async def test_odd_ids_in_a_path_are_not_found_and_a_bound_key_is_refused(settings, bot):
    async with serving(settings) as api:
        for method, path in (("GET", ""), ("POST", "/deactivate")):
            assert (await api.call(method, f"{ACCOUNT}/{bot}{path}", "ops")).status_code == 404
            answer = await api.call(method, f"{ACCOUNT}/{bot}{path}", "tenant")
            assert answer.status_code in (403, 404)
            assert len(answer.content) < 1_000


@pytest.mark.integration
@pytest.mark.parametrize(
    "field", ["chatbotId", "phoneNumberId", "accessToken", "webhookVerifyToken", "wabaId", "plan", "retention"]
)
@pytest.mark.parametrize(
    "value", ['"\\ud800"', "1e400", "[]", '"\\u0661\\u0661\\u0661\\u0661\\u0661\\u0661"', '"1\\n"']
)
async def test_a_field_that_cannot_be_stored_is_refused_or_stored_and_never_a_500(settings, field, value):
    async with serving(settings) as api:
        body = {
            "chatbotId": '"bot"',
            "phoneNumberId": f'"{NUMBER}"',
            "accessToken": '"fake-a"',
            "webhookVerifyToken": '"fake-v"',
        } | {field: value}
        text = "{" + ",".join(f'"{name}":{part}' for name, part in body.items()) + "}"
        headers = {"authorization": "Bearer fake-ops", "content-type": "application/json"}
        answer = await api.client.post(ACCOUNT, content=text.encode(), headers=headers)
        assert answer.status_code < 500
