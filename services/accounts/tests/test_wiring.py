"""Accounts with its store and its topic in memory: who may call what, in which order it is told, and of what it is made."""

import asyncio
import base64
from types import SimpleNamespace

import httpx
import pytest
from pymongo import ReadPreference

from accounts import app as accounts_app
from accounts.announcer import Announcer
from accounts.app import build_apps
from accounts.core import ACCESS_TOKEN, DIGEST, SECRETS, Keys
from accounts.proofs import AT_ONCE
from accounts.renewal import DigestRenewal
from accounts.settings import Settings
from common.contracts.accounts import AccountChanged
from common.contracts.envelope import decode, decoder
from common.contracts.topics import ACCOUNTS
from common.errors import Conflict, InvalidInput, NotFound, Unavailable
from common.http.auth import digest
from common.kafka.produce.publisher import Publisher
from common.mongo import Mongo
from common.security.key_ring import SecretsError, place_of
from common.security.verify_tokens import sign_token

CHANGES = decoder(AccountChanged)
OURS, THEIRS = "our-bot", "their-bot"
NUMBERS = {OURS: "200000000000001", THEIRS: "200000000000002"}
TOKENS = {"accessToken": "fake-access-token", "webhookVerifyToken": "fake-verify-token"}
WABA = "300000000000001"
OLD, NEW, DIGESTS = (base64.b64encode(letter * 32).decode() for letter in (b"o", b"n", b"d"))
KEYS = {
    "ops": {"scopes": ["accounts"]},
    "ours": {"scopes": ["accounts"], "chatbots": [OURS]},
    "theirs": {"scopes": ["accounts"], "chatbots": [THEIRS]},
    "sender": {"scopes": ["credentials"]},
    "reader": {"scopes": ["read", "send", "windows"]},
}


def settings_of(**changes):
    keys = [{"name": name, "sha256": digest(f"fake-{name}"), **reach} for name, reach in KEYS.items()]
    given = {
        "accounts_keks": {"old": OLD, "new": NEW},
        "accounts_primary_kek": "new",
        "verify_digest_keys": {"first": OLD, "second": DIGESTS},
        "verify_digest_primary_key": "second",
        "api_keys": keys,
    }
    return Settings(**{**given, "mongodb_database": "wiring", "reconcile_seconds": 3_600.0, **changes})


class Store:
    """Accounts in memory. `events` is shared with the topic: what was done in which order."""

    def __init__(self, events):
        self.events = events
        self.rows = {}
        self.after_get = lambda: None
        self.only = None

    async def ensure_indexes(self):
        self.events.append("indexes")

    async def find(self, chatbot):
        row = self.rows.get(chatbot)
        return dict(row) if row else None

    async def get(self, chatbot):
        row = await self.find(chatbot)
        if row is None:
            raise NotFound("none", code="unknown_account")
        self.after_get()
        return row

    async def save(self, chatbot, change, now, only=None):
        self.only = only
        if only is not None and only.revision != self.rows.get(chatbot, {}).get("revision"):
            raise Conflict("changed meanwhile", code="account_changed")
        self.rows.setdefault(chatbot, {"_id": chatbot, "revision": 0, "createdAt": now, "plan": "standard"})
        return await self.update(chatbot, change)

    async def update(self, chatbot, change, only=None):
        row = self.rows.get(chatbot)
        if row is None or (only is not None and only.revision != row["revision"]):
            return None
        row.update(change.fields, unpublished=True, revision=row["revision"] + 1)
        for name in change.removed:
            row.pop(name, None)
        self.events.append(f"store {row['revision']}")
        return dict(row)

    async def mark_rejected(self, chatbot, mark, revision):
        row = self.rows.get(chatbot, {})
        self.events.append(f"reject {revision}")
        if row.get("revision") != revision:
            return False
        row["tokenRejected"] = mark
        return True

    async def clear_rejected(self, chatbot, revision):
        row = self.rows.get(chatbot, {})
        self.events.append(f"accept {revision}")
        return row.get("revision") == revision and row.pop("tokenRejected", None) is not None

    async def published(self, chatbot, revision):
        self.events.append(f"published {revision}")
        if self.rows[chatbot]["revision"] != revision:
            return False
        self.rows[chatbot].pop("unpublished", None)
        return True

    async def with_other_digests(self, key_id, after, limit):
        rows = sorted(self.rows.items())
        return [dict(row) for bot, row in rows if bot > after and row[DIGEST]["key"] != key_id][:limit]

    async def unpublished(self):
        return [chatbot for chatbot, row in self.rows.items() if row.get("unpublished")]

    async def all(self):
        for row in self.rows.values():
            yield dict(row)


class Topic:
    """In the place of the publisher."""

    def __init__(self, events):
        self.events = events
        self.told = []
        self.away = False

    async def publish(self, records):
        if self.away:
            raise Unavailable("away", code="kafka_unavailable")
        for record in records:
            event = decode(CHANGES, record.value)
            self.told.append((record.topic, record.key, event.data))
            self.events.append(f"publish {event.data.revision}")

    async def reachable(self):
        return not self.away

    @property
    def revisions(self):
        return [data.revision for _, _, data in self.told]


class Onboarding:
    """In the place of Meta."""

    def __init__(self, events):
        self.events = events
        self.asked = []
        self.refusal = None
        self.meanwhile = lambda: None
        self.answers = asyncio.Event()
        self.answers.set()

    async def check(self, number, waba, token):
        await self._ask("verify", number, waba, token)

    async def prove(self, number, waba, token):
        await self._ask("prove", number, waba, token)

    async def close(self):
        pass

    async def _ask(self, what, number, waba, token):
        self.events.append(what)
        self.asked.append((number, waba, token))
        await self.answers.wait()
        self.meanwhile()
        if self.refusal is not None:
            raise self.refusal


class World:
    def __init__(self, monkeypatch, **changes):
        self.events = []
        self.settings = settings_of(**changes)
        self.store, self.topic, self.meta = Store(self.events), Topic(self.events), Onboarding(self.events)
        monkeypatch.setattr(accounts_app, "AccountStore", lambda _database: self.store)
        monkeypatch.setattr(accounts_app, "Publisher", lambda _settings: self.topic)
        monkeypatch.setattr(accounts_app, "Onboarding", lambda _settings: self.meta)
        self.apps = build_apps(self.settings)

    async def call(self, method, path, body=None, *, key="ops", internal=False, **params):
        headers = {"authorization": f"Bearer fake-{key}"} if key else {}
        transport = httpx.ASGITransport(self.apps.internal if internal else self.apps.public)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, json=body, headers=headers, params=params)

    async def save(self, bot=OURS, key="ops", params=None, **fields):
        body = {"chatbotId": bot, "phoneNumberId": NUMBERS[bot], **fields}
        return await self.call("POST", "/whatsapp-cloud/account", body, key=key, **(params or {}))


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


@pytest.fixture
async def known(world):
    """With both accounts in the store, and nothing noted of how they got there."""
    for bot in (OURS, THEIRS):
        assert (await world.save(bot, **TOKENS)).status_code == 200
    world.events.clear()
    world.topic.told.clear()
    return world


PUBLIC = {
    ("POST", "/whatsapp-cloud/account"): lambda bot: {"chatbotId": bot, "phoneNumberId": NUMBERS[bot], **TOKENS},
    ("GET", "/whatsapp-cloud/account/{chatbot_id:str}"): None,
    ("POST", "/whatsapp-cloud/account/{chatbot_id:str}/deactivate"): None,
}
INTERNAL = {
    ("GET", "/internal/accounts/{chatbot_id:str}/credentials"): None,
    ("POST", "/internal/accounts/{chatbot_id:str}/token-rejected"): lambda _bot: {"code": 190, "revision": 1},
    ("POST", "/internal/accounts/{chatbot_id:str}/token-accepted"): lambda _bot: {"revision": 1},
}
OPEN = {("GET", "/health/live"), ("GET", "/health/ready"), ("GET", "/metrics")}


def routes_of(app):
    """(method, path) of every route, other than what is made for browsers and documents."""
    return {
        (method, route.path)
        for route in app.routes
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS" and "/docs/" not in f"{route.path}/"
    }


def test_every_route_has_its_entry_here_and_is_on_its_listener_alone(world):
    assert routes_of(world.apps.public) == {*PUBLIC, *OPEN}
    assert routes_of(world.apps.internal) == {*INTERNAL, *OPEN}
    assert not [route.path for route in world.apps.internal.routes if "/docs" in route.path]


async def calls(world, route, key, bot=OURS):
    method, path = route
    body = {**PUBLIC, **INTERNAL}[route]
    path = path.replace("{chatbot_id:str}", bot)
    return await world.call(method, path, body(bot) if body else None, key=key, internal=route in INTERNAL)


REFUSED = [
    *[(route, *refused) for route in PUBLIC for refused in ((None, 401), ("x", 401), ("reader", 403))],
    *[(route, *refused) for route in PUBLIC for refused in (("sender", 403), ("theirs", 403))],
    *[(route, *refused) for route in INTERNAL for refused in ((None, 401), ("x", 401), ("reader", 403))],
    *[(route, *refused) for route in INTERNAL for refused in (("ops", 403), ("ours", 403))],
]


@pytest.mark.parametrize(("route", "key", "status"), REFUSED, ids=str)
async def test_a_key_that_does_not_reach_is_refused_and_nothing_is_done(known, route, key, status):
    before = {bot: dict(row) for bot, row in known.store.rows.items()}
    answer = await calls(known, route, key)
    assert (answer.status_code, known.events, known.store.rows) == (status, [], before)
    assert "fake-access-token" not in answer.text


SERVED = [*[(route, key) for route in PUBLIC for key in ("ops", "ours")], *[(route, "sender") for route in INTERNAL]]


@pytest.mark.parametrize(("route", "key"), SERVED, ids=str)
async def test_a_key_that_reaches_is_served(known, route, key):
    assert (await calls(known, route, key)).status_code == 200


async def test_a_change_is_stored_then_told_then_noted_as_told(world):
    await world.save(**TOKENS)
    assert world.events == ["store 1", "publish 1", "published 1"]
    ((topic, key, data),) = world.topic.told
    assert (topic, key, data.chatbot_id, data.phone_number_id) == (ACCOUNTS.name, OURS, OURS, NUMBERS[OURS])
    assert await world.store.unpublished() == []


async def test_a_deactivation_is_told(known):
    await known.call("POST", f"/whatsapp-cloud/account/{OURS}/deactivate")
    assert known.events == ["store 2", "publish 2", "published 2"]
    assert known.topic.told[-1][2].status == "deactivated"


async def test_a_change_that_cannot_be_told_is_stored_and_not_noted_as_told(world):
    world.topic.away = True
    answer = await world.save(**TOKENS)
    assert (answer.status_code, world.events) == (503, ["store 1"])
    assert await world.store.unpublished() == [OURS]


async def test_what_changes_while_it_is_told_is_told_again(known):
    def changes_once():
        known.store.after_get = lambda: None
        known.store.rows[OURS]["revision"] += 1

    known.store.after_get = changes_once
    await known.save(plan="premium")
    assert known.events == ["store 2", "publish 2", "published 2", "publish 3", "published 3"]


class Told(SimpleNamespace):
    """The topic as a table."""

    async def start(self):
        self.events.append("start table")

    async def stop(self):
        self.events.append("stop table")


def announcer_of(world, rows, *, ready=True, seconds=0.01, renewal=None):
    told = Told(events=world.events, ready=ready, get=rows.get)
    return Announcer(world.store, world.topic, told, reconcile_seconds=seconds, renewal=renewal)


async def announced(world, announcer, revisions):
    """The revisions told of, once there are as many as are wanted."""
    await announcer.start()
    try:
        async with asyncio.timeout(10):
            while len(world.topic.told) < len(revisions):
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
    finally:
        await announcer.stop()
    return world.topic.revisions


async def test_what_was_left_over_is_told_in_the_background_until_it_is_noted(known):
    known.store.rows[OURS]["unpublished"] = True
    rows = {bot: SimpleNamespace(revision=1) for bot in NUMBERS}
    assert await announced(known, announcer_of(known, rows), [1]) == [1]


async def test_while_kafka_is_away_what_was_left_over_stays_so_and_is_tried_again(known):
    known.store.rows[OURS]["unpublished"] = True
    known.topic.away = True
    announcer = announcer_of(known, {bot: SimpleNamespace(revision=1) for bot in NUMBERS})
    await announcer.start()
    await asyncio.sleep(0.05)
    assert await known.store.unpublished() == [OURS]
    known.topic.away = False
    async with asyncio.timeout(10):
        while await known.store.unpublished():
            await asyncio.sleep(0.005)
    await announcer.stop()


@pytest.mark.parametrize("row", [None, SimpleNamespace(revision=0), SimpleNamespace(revision=7)])
async def test_another_state_on_the_topic_is_followed_by_the_present_one_once(known, row):
    rows = {THEIRS: SimpleNamespace(revision=1), **({OURS: row} if row else {})}
    assert await announced(known, announcer_of(known, rows), [1]) == [1]
    assert [key for _, key, _ in known.topic.told] == [OURS]


async def test_before_the_topic_was_read_nothing_is_compared(known):
    announcer = announcer_of(known, {}, ready=False)
    await announcer.start()
    await asyncio.sleep(0.05)
    await announcer.stop()
    assert known.topic.told == []


async def test_secrets_are_sealed_by_the_primary_key_for_their_place(world):
    await world.save(**TOKENS)
    row, ring = world.store.rows[OURS], world.settings.key_ring()
    assert {row[name]["kek"] for name in SECRETS} == {"new"}
    assert [ring.open(row[name], place_of(OURS, name)) for name in SECRETS] == list(TOKENS.values())
    for place in (place_of(THEIRS, ACCESS_TOKEN), place_of(OURS, SECRETS[1])):
        with pytest.raises(SecretsError):
            ring.open(row[ACCESS_TOKEN], place)
    assert "fake-" not in repr({name: value for name, value in row.items() if name not in SECRETS})


async def test_a_secret_that_was_copied_from_another_account_is_not_handed_out(known):
    known.store.rows[OURS][ACCESS_TOKEN] = known.store.rows[THEIRS][ACCESS_TOKEN]
    try:
        answer = await known.call("GET", f"/internal/accounts/{OURS}/credentials", key="sender", internal=True)
    except SecretsError:
        return
    assert answer.status_code == 500
    assert "fake-access-token" not in answer.text


async def test_credentials_are_those_of_the_account_as_it_is(known):
    await known.save(accessToken="fake-second-token")
    answer = await known.call("GET", f"/internal/accounts/{OURS}/credentials", key="sender", internal=True)
    assert answer.json() == {
        "chatbotId": OURS,
        "phoneNumberId": NUMBERS[OURS],
        "accessToken": "fake-second-token",
        "revision": 2,
        "status": "active",
        "tokenRejected": False,
    }


@pytest.mark.parametrize(("revision", "marked"), [(1, True), (2, False), (7, False)])
async def test_only_the_token_that_was_refused_is_marked_and_no_event_is_published(known, revision, marked):
    path = f"/internal/accounts/{OURS}/token-rejected"
    answer = await known.call("POST", path, {"code": 190, "revision": revision}, key="sender", internal=True)
    assert answer.json()["data"] == {"marked": marked}
    assert known.events == [f"reject {revision}"]
    shown = (await known.call("GET", f"/whatsapp-cloud/account/{OURS}")).json()["data"]
    assert shown["tokenStatus"] == ("rejected" if marked else "unknown")


@pytest.mark.parametrize(("revision", "cleared"), [(1, True), (2, False)])
async def test_the_mark_goes_when_the_sender_says_that_the_token_works(known, revision, cleared):
    path = f"/internal/accounts/{OURS}"
    await known.call("POST", f"{path}/token-rejected", {"code": 190, "revision": 1}, key="sender", internal=True)
    given = (await known.call("GET", f"{path}/credentials", key="sender", internal=True)).json()
    assert given["tokenRejected"] is True
    answer = await known.call("POST", f"{path}/token-accepted", {"revision": revision}, key="sender", internal=True)
    assert answer.json()["data"] == {"cleared": cleared}
    shown = (await known.call("GET", f"/whatsapp-cloud/account/{OURS}")).json()["data"]
    assert shown["tokenStatus"] == ("unknown" if cleared else "rejected")
    assert known.topic.told == []  # others would take it for a new token


def stored_secret(known, field):
    return known.settings.key_ring().open(known.store.rows[OURS][field], place_of(OURS, field))


@pytest.mark.parametrize("field", ["accessToken", "webhookVerifyToken"])
@pytest.mark.parametrize("around", [" ", "\n", "\r\n", "\t", "\u00a0", "\u200b", "\ufeff"])
async def test_white_space_around_a_secret_is_dropped_and_inside_refused(known, field, around):
    assert (await known.save(**{field: f"{around}fake-pasted{around}"})).status_code == 200
    assert stored_secret(known, field) == "fake-pasted"
    answer = await known.save(**{field: f"fake{around}pasted"})
    assert (answer.status_code, answer.json()["error"]["details"][0]["field"]) == (400, field)
    assert "pasted" not in answer.text
    assert (await known.save(**{field: around})).status_code == 400
    assert stored_secret(known, field) == "fake-pasted"


async def test_an_access_token_that_fits_no_header_is_refused_and_a_verify_token_may_have_any_letter(known):
    assert (await known.save(accessToken="EAAfäke")).status_code == 400
    assert (await known.save(webhookVerifyToken="pässwort")).status_code == 200


@pytest.mark.parametrize("refusal", [None, InvalidInput("no")])
async def test_the_mark_goes_when_meta_confirms_the_stored_token(known, refusal):
    known.store.rows[OURS]["tokenRejected"] = {"code": 190}
    known.meta.refusal = refusal
    await known.save(params={"verify": "true"}, plan="free")
    shown = (await known.call("GET", f"/whatsapp-cloud/account/{OURS}")).json()["data"]
    assert shown["tokenStatus"] == ("rejected" if refusal else "unknown")


async def test_a_new_token_is_not_a_rejected_one(known):
    known.store.rows[OURS]["tokenRejected"] = {"code": 190}
    assert (await known.save(plan="free")).json()["data"]["tokenStatus"] == "rejected"
    assert (await known.save(accessToken="fake-other")).json()["data"]["tokenStatus"] == "unknown"


@pytest.mark.parametrize(
    ("always", "params", "asked"),
    [(False, {}, False), (False, {"verify": "true"}, True), (True, {}, True), (True, {"verify": "false"}, True)],
)
async def test_meta_is_asked_when_that_is_wanted_before_anything_is_stored(monkeypatch, always, params, asked):
    world = World(monkeypatch, accounts_verify_with_meta=always)
    world.meta.refusal = InvalidInput("no")
    answer = await world.save(params=params, wabaId=WABA, **TOKENS)
    if not asked:
        assert (answer.status_code, world.events[0]) == (200, "store 1")
        return
    assert (answer.status_code, world.events) == (400, ["verify"])
    assert world.meta.asked == [(NUMBERS[OURS], WABA, "fake-access-token")]
    world.meta.refusal = None
    assert (await world.save(params=params, **TOKENS)).status_code == 200
    assert world.events[-4:] == ["verify", "store 1", "publish 1", "published 1"]


async def test_the_token_that_is_verified_is_the_new_one_or_else_the_stored_one(known):
    await known.save(params={"verify": "true"}, plan="free")
    await known.save(params={"verify": "true"}, accessToken="fake-new")
    assert [token for _, _, token in known.meta.asked] == ["fake-access-token", "fake-new"]


UNPROVEN = {
    "a new account": (None, {**TOKENS, "wabaId": WABA}, (NUMBERS[OURS], WABA, "fake-access-token")),
    "another number": ({}, {"phoneNumberId": "200000000000009"}, ("200000000000009", None, "fake-access-token")),
    "another number with its token": (
        {},
        {"phoneNumberId": "200000000000009", "accessToken": "fake-other"},
        ("200000000000009", None, "fake-other"),
    ),
    "another WABA": ({}, {"wabaId": WABA}, (NUMBERS[OURS], WABA, "fake-access-token")),
    "an activation": (
        {"status": "deactivated", "wabaId": WABA},
        {},
        (NUMBERS[OURS], WABA, "fake-access-token"),
    ),
}
"""How the account stands (None: it does not exist), what is saved, and what Meta is asked."""


async def standing(world, stored):
    """Our account as it is stored, by an operator; nothing is noted of how it got there."""
    if stored is not None:
        assert (await world.save(**TOKENS)).status_code == 200
        world.store.rows[OURS].update(stored)
    world.events.clear()
    world.topic.told.clear()


@pytest.mark.parametrize("params", [{}, {"verify": "false"}, {"verify": "true"}])
@pytest.mark.parametrize(("stored", "change", "asked"), UNPROVEN.values(), ids=UNPROVEN)
async def test_what_a_bound_key_claims_is_stored_when_meta_has_proven_it(world, stored, change, asked, params):
    await standing(world, stored)
    answer = await world.save(key="ours", params=params, **change)
    revision = 1 if stored is None else 2
    assert answer.status_code == 200
    assert world.events == ["prove", f"store {revision}", f"publish {revision}", f"published {revision}"]
    assert world.meta.asked == [asked]


@pytest.mark.parametrize(
    ("refusal", "status"), [(InvalidInput("no", code="refused_by_meta"), 400), (Unavailable("away", code="x"), 503)]
)
@pytest.mark.parametrize(("stored", "change", "asked"), UNPROVEN.values(), ids=UNPROVEN)
async def test_without_proof_a_bound_key_stores_nothing(world, stored, change, asked, refusal, status):
    await standing(world, stored)
    before = {bot: dict(row) for bot, row in world.store.rows.items()}
    world.meta.refusal = refusal
    answer = await world.save(key="ours", **change)
    assert (answer.status_code, world.events, world.meta.asked) == (status, ["prove"], [asked])
    assert (world.store.rows, world.topic.told) == (before, [])


@pytest.mark.parametrize(("stored", "change", "asked"), UNPROVEN.values(), ids=UNPROVEN)
async def test_an_operator_needs_no_proof(world, stored, change, asked):
    await standing(world, stored)
    world.meta.refusal = InvalidInput(f"asked {asked}")
    assert (await world.save(key="ops", **change)).status_code == 200
    assert "prove" not in world.events


@pytest.mark.parametrize("change", [{}, {"accessToken": "fake-new"}, {"webhookVerifyToken": "fake-new"}])
async def test_what_was_proven_needs_no_second_proof(known, change):
    assert (await known.save(key="ours", **change)).status_code == 200
    assert known.meta.asked == []


@pytest.mark.parametrize(("stored", "change", "asked"), UNPROVEN.values(), ids=UNPROVEN)
async def test_a_proof_holds_for_the_account_as_it_was_read(world, stored, change, asked):
    await standing(world, stored)

    def another_comes_first():
        row = world.store.rows.setdefault(OURS, {"_id": OURS, "revision": 0})
        row["revision"] += 1

    world.meta.meanwhile = another_comes_first
    answer = await world.save(key="ours", **change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "account_changed")
    assert (world.events, world.meta.asked) == (["prove"], [asked])


async def test_what_a_bound_key_may_do_without_proof_holds_for_the_account_as_it_was_read(known):
    await known.save(key="ours")
    assert known.store.only.revision == 1
    await known.save(key="ops")
    assert known.store.only is None


async def test_one_key_has_a_few_proofs_under_way_and_the_others_are_not_held_up(monkeypatch):
    world = World(monkeypatch)
    world.meta.answers.clear()
    waiting = [asyncio.create_task(world.save(key="ours", **TOKENS)) for _ in range(AT_ONCE)]
    async with asyncio.timeout(10):
        while len(world.meta.asked) < AT_ONCE:
            await asyncio.sleep(0.001)
    async with asyncio.timeout(10):
        refused = await world.save(key="ours", **TOKENS)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_many_proofs")
    assert (await world.save(THEIRS, **TOKENS)).status_code == 200
    other = asyncio.create_task(world.save(THEIRS, key="theirs", phoneNumberId="200000000000008"))
    async with asyncio.timeout(10):
        while len(world.meta.asked) < AT_ONCE + 1:
            await asyncio.sleep(0.001)
    world.meta.answers.set()
    assert sorted(answer.status_code for answer in await asyncio.gather(*waiting)) == [200, *[409] * (AT_ONCE - 1)]
    assert (await other).status_code == 200
    assert (await world.save(key="ours", wabaId=WABA)).status_code == 200


@pytest.mark.parametrize("stored", [None, {}, {"plan": "free"}, {"status": "deactivated"}])
async def test_a_bound_key_does_not_change_the_plan(world, stored):
    await standing(world, stored)
    answer = await world.save(key="ours", plan="premium", **TOKENS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "plan_is_the_operators")
    assert (world.events, world.meta.asked) == ([], [])
    present = (stored or {}).get("plan", "standard")
    assert (await world.save(key="ours", plan=present, **TOKENS)).json()["data"]["plan"] == present
    assert (await world.save(key="ops", plan="premium")).json()["data"]["plan"] == "premium"


async def test_the_digest_of_a_verify_token_is_that_of_the_primary_key(world):
    await world.save(**TOKENS)
    key, hmac = sign_token(world.settings.digest_keys(), TOKENS["webhookVerifyToken"])
    assert world.store.rows[OURS][DIGEST] == {"key": "second", "hmac": hmac} == {"key": key, "hmac": hmac}
    told = world.topic.told[-1][2]
    assert (told.verify_digest.key, told.verify_digest.hmac, told.verify_token) == (key, hmac, None)


async def test_a_digest_under_another_key_is_renewed_in_the_background_and_told(known):
    right = dict(known.store.rows[OURS][DIGEST])
    known.store.rows[OURS][DIGEST] = {"key": "first", "hmac": "0" * 64}
    rows = {bot: SimpleNamespace(revision=1) for bot in NUMBERS}
    renewal = DigestRenewal(known.store, Keys(known.settings.key_ring(), known.settings.digest_keys()))
    assert await announced(known, announcer_of(known, rows, seconds=60, renewal=renewal), [2]) == [2]
    assert known.store.rows[OURS][DIGEST] == right


async def test_it_is_ready_when_mongodb_its_indexes_and_kafka_are_and_lives_anyway(monkeypatch):
    up = dict.fromkeys(("mongodb", "indexes", "kafka"), True)

    async def reachable(_self):
        return up["mongodb"]

    async def ready(_self):
        return up["indexes"]

    monkeypatch.setattr(accounts_app.Mongo, "reachable", reachable)
    monkeypatch.setattr(accounts_app.Indexes, "ready", ready)
    world = World(monkeypatch)
    for internal in (False, True):
        for down in (None, *up):
            up.update(dict.fromkeys(up, True))
            if down:
                up[down] = False
            world.topic.away = not up["kafka"]
            answer = await world.call("GET", "/health/ready", key=None, internal=internal)
            assert (answer.status_code, answer.json()["checks"]) == (503 if down else 200, up)
            assert (await world.call("GET", "/health/live", key=None, internal=internal)).status_code == 200


async def test_what_announces_starts_last_and_stops_first(monkeypatch):
    told = []
    parts = {"indexes": "Indexes", "publisher": "Publisher", "announcer": "Announcer"}
    for name, kind in parts.items():
        for verb in ("start", "stop"):
            monkeypatch.setattr(getattr(accounts_app, kind), verb, noting(told, f"{verb} {name}"))
    monkeypatch.setattr(accounts_app.Mongo, "close", noting(told, "close mongo"))
    monkeypatch.setattr(accounts_app.Onboarding, "close", noting(told, "close onboarding"))
    async with build_apps(settings_of()).public.lifespan():
        assert told == ["start indexes", "start publisher", "start announcer"]
        told.clear()
    assert told[:2] == ["stop announcer", "stop publisher"]
    assert sorted(told[2:]) == ["close mongo", "close onboarding", "stop indexes"]
    assert told[-1] == "close mongo"


def noting(told, what):
    async def note(*_):
        told.append(what)

    return note


async def test_the_clients_are_made_of_the_settings(monkeypatch):
    made = {}

    def keeping(kind):
        real = getattr(accounts_app, kind)

        def make(*given, **named):
            made[kind] = (real(*given, **named), given, named)
            return made[kind][0]

        monkeypatch.setattr(accounts_app, kind, make)

    for kind in ("Mongo", "Publisher", "Table", "Announcer", "Onboarding", "AccountStore"):
        keeping(kind)
    settings = settings_of(
        graph_base_url="http://127.0.0.1:9",
        graph_version="v99.0",
        graph_total_seconds=7.5,
        graph_connect_seconds=2.5,
        kafka_bootstrap_servers="127.0.0.1:9",
        reconcile_seconds=17.0,
    )
    build_apps(settings)
    assert made["Announcer"][0]._reconciling._seconds == 17.0
    renewal = made["Announcer"][0]._renewal
    assert (renewal._store, renewal._keys) == (
        made["AccountStore"][0],
        Keys(settings.key_ring(), settings.digest_keys()),
    )
    assert made["Publisher"][0]._settings is settings
    assert (made["Table"][0]._settings, made["Table"][0]._topic) == (settings, ACCOUNTS.name)
    client = made["Onboarding"][0]._client
    assert (str(client.base_url), client.timeout.read, client.timeout.connect) == (
        "http://127.0.0.1:9/v99.0/",
        7.5,
        2.5,
    )
    assert client.follow_redirects is False
    database = made["AccountStore"][1][0].database
    assert (database.name, database.write_concern.document) == ("wiring", {"w": "majority", "j": True})
    assert (database.read_concern.level, database.read_preference) == ("majority", ReadPreference.PRIMARY)
    await made["Onboarding"][0].close()
    await made["Mongo"][0].close()
    assert isinstance(made["Publisher"][0], Publisher)
    assert isinstance(made["Mongo"][0], Mongo)


def test_the_primary_key_is_that_of_the_settings():
    assert settings_of().digest_keys().primary == "second"
    assert settings_of(verify_digest_primary_key="first").digest_keys().primary == "first"
    assert settings_of().key_ring().primary == "new"
    assert settings_of(accounts_primary_kek="old").key_ring().primary == "old"
    assert settings_of(accounts_keks={"k": OLD}, accounts_primary_kek="").key_ring().primary == "k"
