"""Conversation as it is built: every route and its key, every check, what the settings decide, and how it all ends."""

import asyncio
import itertools
from datetime import timedelta
from functools import partial

import httpx
import pytest
from aiokafka import TopicPartition
from conversation_builders import CALLBACK_KEYS

from common.contracts.topics import SEND_RESULTS, WEBHOOKS, WEBHOOKS_DLQ
from common.http.auth import digest
from common.kafka.clients import make_group_consumer, make_transactional_producer
from conversation import app as module
from conversation.app import build_apps
from conversation.settings import Settings
from conversation.upkeep.rules import Kept

SCOPES = ("accounts", "send", "read", "credentials", "windows")
STEPS = []


class Part:
    """Stands in for a part that is started and stopped, and keeps what it was made of."""

    name, made = "", None

    def __init__(self, *given, **named):
        type(self).made = self
        self.given, self.named = given, named
        self.answers = {}

    async def start(self):
        STEPS.append(f"start {self.name}")

    async def stop(self):
        STEPS.append(f"stop {self.name}")


class Group(Part):
    name = "group"
    stuck = 0.0

    @property
    def ready(self):
        return self.answers.get("ready", True)

    async def reachable(self):
        return self.answers.get("reachable", True)

    def stuck_seconds(self):
        return self.stuck


class Indexes(Part):
    name = "indexes"

    async def ready(self):
        return self.answers.get("ready", True)

    async def wait(self):
        await asyncio.Event().wait()


class Depth(Part):
    name = "depth"


class Table(Part):
    name = "accounts"

    @property
    def ready(self):
        return self.answers.get("ready", True)


class ChatbotDirectory(Part):
    def __init__(self, *given):
        super().__init__(*given)
        self.table = Table()


JOBS = {"retention_job": [], "merges_job": []}
"""What each job of upkeep was made of."""


def noting(name, make):
    def made(*given, **named):
        JOBS[name][:] = given
        return make(*given, **named)

    return made


@pytest.fixture
async def apps(monkeypatch):
    STEPS.clear()
    for name, part in [
        ("PartitionGroup", Group),
        ("Indexes", Indexes),
        ("ChatbotDirectory", ChatbotDirectory),
        ("DeadLetterDepth", Depth),
    ]:
        monkeypatch.setattr(module, name, part)
    mongo = module.Mongo

    class Mongo(mongo):
        made, away = None, False

        def __init__(self, settings):
            super().__init__(settings)
            Mongo.made = self

        async def reachable(self):
            return not Mongo.away

        async def close(self):
            STEPS.append("close mongodb")
            await super().close()

    monkeypatch.setattr(module, "Mongo", Mongo)
    for name in JOBS:
        monkeypatch.setattr(module, name, noting(name, getattr(module, name)))
    settings = Settings(
        kafka_bootstrap_servers="127.0.0.1:1",
        mongodb_uri="mongodb://127.0.0.1:1/?replicaSet=rs0",
        mongodb_database="any",
        api_keys=[{"name": name, "sha256": digest(f"fake-{name}"), "scopes": [name]} for name in SCOPES],
        consumer_group="another-group",
        batch_records=17,
        webhook_log_days=3,
        messages_days=31,
        conversations_days=12,
        usage_log_days=13,
        live_seconds=33,
        dlq_limit=7,
        metrics_tenants=5,
        callback_keys=CALLBACK_KEYS,
    )
    apps = build_apps(settings)
    apps_and_mongo = apps, Mongo
    yield apps_and_mongo
    await Mongo.made.close()


def client_of(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def routes_of(app):
    """Every route that is neither health nor documents, with its methods."""
    return sorted(
        (route.path, method)
        for route in app.routes
        if not route.path.startswith(("/health", "/metrics", "/whatsapp-cloud/docs"))
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    )


PUBLIC = {
    "/whatsapp-cloud/conversations",
    "/whatsapp-cloud/conversations/{conversation_id:str}",
    "/whatsapp-cloud/conversations/{conversation_id:str}/messages",
    "/whatsapp-cloud/messages",
    "/whatsapp-cloud/messages/{message_id:path}",
    "/whatsapp-cloud/webhook-events",
    "/whatsapp-cloud/usage",
    "/whatsapp-cloud/usage/summary",
}


def test_no_route_is_there_that_these_tests_do_not_know(apps):
    (apps, _) = apps
    assert {path for path, _ in routes_of(apps.public)} == PUBLIC
    assert routes_of(apps.internal) == [("/internal/windows", "POST")]


async def test_every_route_wants_a_key_with_its_own_scope(apps):
    (apps, _) = apps
    for app, scope in ((apps.public, "read"), (apps.internal, "windows")):
        async with client_of(app) as client:
            for (path, method), name in itertools.product(routes_of(app), [None, "unknown", *SCOPES]):
                headers = {"authorization": f"Bearer fake-{name}"} if name else {}
                path = path.replace("{conversation_id:str}", "c").replace("{message_id:str}", "m")  # noqa: PLW2901
                if name == scope:
                    continue  # MongoDB is not there; test_isolation has those
                answer = await client.request(method, path, headers=headers, json={"pairs": []})
                expected = 403 if name in SCOPES else 401
                assert answer.status_code == expected, (method, path, name)


async def test_the_right_key_passes(apps):
    (apps, _) = apps
    headers = {"authorization": "Bearer fake-windows"}
    async with client_of(apps.internal) as client:
        assert (await client.post("/internal/windows", headers=headers, json={"pairs": "none"})).status_code == 400
    headers = {"authorization": "Bearer fake-read"}
    async with client_of(apps.public) as client:
        path = "/whatsapp-cloud/usage/summary?from=never"
        assert (await client.get(path, headers=headers)).status_code == 400


CHECKS = ("mongodb", "indexes", "kafka", "partitions", "accounts")


@pytest.mark.parametrize("away", [None, *CHECKS])
async def test_it_is_ready_when_each_of_its_parts_is_and_says_which_is_not(apps, away):
    (apps, mongo) = apps
    mongo.away = away == "mongodb"
    Indexes.made.answers["ready"] = away != "indexes"
    Group.made.answers = {"reachable": away != "kafka", "ready": away != "partitions"}
    ChatbotDirectory.made.table.answers["ready"] = away != "accounts"
    for app in (apps.public, apps.internal):
        async with client_of(app) as client:
            answer = await client.get("/health/ready")
            assert answer.json()["checks"] == {name: name != away for name in CHECKS}
            assert answer.status_code == (200 if away is None else 503)


@pytest.mark.parametrize(("stuck", "status"), [(0.0, 200), (32.0, 200), (34.0, 503)])
async def test_it_is_alive_while_attempts_end(apps, stuck, status):
    (apps, _) = apps
    Group.made.stuck = stuck
    async with client_of(apps.public) as client:
        assert (await client.get("/health/live")).status_code == status


async def test_parts_begin_before_the_group_and_mongodb_is_closed_when_it_has_ended(apps):
    (apps, _) = apps
    async with apps.public.lifespan():
        begun, STEPS[:] = list(STEPS), []
    assert begun == ["start indexes", "start accounts", "start group", "start depth"]
    assert set(STEPS) == {"stop depth", "stop group", "stop accounts", "stop indexes", "close mongodb"}
    assert STEPS[-1] == "close mongodb"
    assert STEPS.count("close mongodb") == 1
    assert STEPS.index("stop group") < STEPS.index("stop accounts")


async def test_the_internal_application_owns_nothing(apps):
    (apps, _) = apps
    async with apps.internal.lifespan():
        pass
    assert STEPS == []


def test_the_settings_decide(apps):
    made = Group.made.named
    worker = made["worker"]
    assert made["group"] == "another-group"
    assert sorted(made["topics"]) == sorted([WEBHOOKS.name, SEND_RESULTS.name])
    assert isinstance(made["make_consumer"], partial)
    assert made["make_consumer"].func is make_group_consumer
    assert made["make_producer"].func is make_transactional_producer
    assert {made["make_consumer"].args[0].consumer_group, made["make_producer"].args[0].consumer_group} == {
        "another-group"
    }
    assert {made["slot_of"](TopicPartition(topic, n)) for topic in made["topics"] for n in range(12)} == {"all"}
    assert worker._batch_size.size == 17
    assert worker._applying._dead_letters._limit == 7
    assert worker._applying._store._log == timedelta(days=3)
    assert worker._applying._tenants._most == 5
    assert worker._applying._directory is ChatbotDirectory.made
    assert worker._indexes is Indexes.made
    assert Depth.made.given[1] == WEBHOOKS_DLQ.name


def test_the_jobs_of_upkeep_work_on_the_same_store_and_keep_what_the_settings_say(apps):
    store = Group.made.named["worker"]._applying._store
    assert JOBS["retention_job"] == [store, ChatbotDirectory.made, Indexes.made, Kept(31, 12, 13)]
    (_, mongo) = apps
    assert JOBS["merges_job"] == [mongo.made, store, Indexes.made]


@pytest.mark.parametrize("days", [1, 29])
def test_messages_are_kept_until_no_webhook_comes_again(days):
    with pytest.raises(ValueError, match="at least 30 days, or for good"):
        Settings(kafka_bootstrap_servers="127.0.0.1:1", mongodb_uri="mongodb://127.0.0.1:1/", messages_days=days)
