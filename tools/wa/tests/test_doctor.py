"""`wa doctor`: each ailment is found, named, and comes with a remedy."""

import asyncio
import base64
import json
import socket
import subprocess
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import TestServer

from common.contracts import topics
from common.kafka.admin import Described
from common.mongo import Mongo
from common.security.envelope import KeyRing, place_of
from graph_emulator.app import build_app
from graph_emulator.config import Config
from graph_emulator.directory import Business
from graph_emulator.emulator import Emulator
from wa.__main__ import main
from wa.doctor.checks import ACCOUNTS, DoctorSettings
from wa.doctor.commands import examine
from wa.doctor.findings import Level, judge_hello, judge_token, judge_topics, worst

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEK = base64.b64encode(b"k" * 32).decode()
OTHER_KEK = base64.b64encode(b"o" * 32).decode()
SECRET, TOKEN, WABA = "fake-app-secret", "fake-token", "100000000000001"
WELL = {
    topic.name: Described(topic.partitions, copies=3, led=True, max_message_bytes=topic.max_message_bytes)
    for topic in topics.ALL
}


def changed(topic, **changes):
    described = WELL[topic.name]
    fields = {name: getattr(described, name) for name in ("partitions", "copies", "led", "max_message_bytes")}
    return {**WELL, topic.name: Described(**{**fields, **changes})}


def problems(findings):
    return [finding for finding in findings if finding.level is Level.PROBLEM]


def test_topics_as_declared_are_well():
    (finding,) = judge_topics(WELL)
    assert finding.level is Level.OK


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ({name: it for name, it in WELL.items() if name != topics.SEND.name}, f"missing: {topics.SEND.name}"),
        (changed(topics.SEND_RETRY_4S, partitions=6), "equal counts"),
        (changed(topics.ACCOUNTS, partitions=3), "exactly 1"),
        (changed(topics.WEBHOOKS, led=False), "without a leader"),
        (changed(topics.WEBHOOKS, max_message_bytes=1_048_588), "1,048,588 bytes"),
    ],
)
def test_what_is_wrong_with_topics_is_named_with_a_remedy(there, says):
    (found,) = problems(judge_topics(there))
    assert says in found.says
    assert found.mend


def test_what_does_not_stop_anybody_is_a_warning():
    for there in (changed(topics.WEBHOOKS, copies=1), changed(topics.INCOMING_MESSAGES, partitions=3)):
        assert worst(judge_topics(there)) is Level.WARNING


@pytest.mark.parametrize(
    ("hello", "level"),
    [
        ({"setName": "rs0", "isWritablePrimary": True, "hosts": ["a", "b", "c"]}, Level.OK),
        ({"msg": "isdbgrid", "isWritablePrimary": True}, Level.OK),
        ({"setName": "rs0", "isWritablePrimary": True, "hosts": ["a"]}, Level.WARNING),
        ({"setName": "rs0", "isWritablePrimary": False, "hosts": ["a", "b", "c"]}, Level.PROBLEM),
        ({"isWritablePrimary": True}, Level.PROBLEM),
    ],
)
def test_mongodb_has_to_be_a_replica_set_with_a_primary(hello, level):
    assert judge_hello(hello).level is level


@pytest.mark.parametrize(
    ("inspected", "level", "says"),
    [
        ({"is_valid": True, "expires_at": 0}, Level.OK, "valid"),
        ({"is_valid": False}, Level.PROBLEM, "not valid"),
        ({"is_valid": False, "expires_at": int(NOW.timestamp()) - 1}, Level.PROBLEM, "expired on 2026-10-31"),
        ({"is_valid": True, "expires_at": int(NOW.timestamp()) + 86_400}, Level.WARNING, "expires on 2026-11-02"),
        ({"is_valid": True, "scopes": ["email"]}, Level.PROBLEM, "permission"),
        ({}, Level.PROBLEM, "not valid"),
    ],
)
def test_tokens(inspected, level, says):
    found = judge_token("bot", inspected, NOW)
    assert (found.level, says in found.says) == (level, True)


@pytest.fixture
def settings(kafka_bootstrap, mongodb_uri):
    return DoctorSettings(
        kafka_bootstrap_servers=kafka_bootstrap,
        mongodb_uri=mongodb_uri,
        mongodb_database=f"doctor_{uuid.uuid4().hex[:10]}",
        accounts_keks=json.dumps({"k": KEK}),
        whatsapp_app_secrets=f"fake-old-secret, {SECRET}",
        graph_base_url="http://127.0.0.1:1",
        graph_total_seconds=2,
    )


@asynccontextmanager
async def account(settings, token=TOKEN, kek=b"k" * 32):
    """An account as the service stores it."""
    mongo, ring = Mongo(settings), KeyRing({"k": kek}, "k")
    sealed = {"accessToken": ring.seal(token, place_of("bot", "accessToken"))}
    await mongo.database[ACCOUNTS].insert_one({"_id": "bot", "status": "active", **sealed})
    try:
        yield
    finally:
        await mongo.client.drop_database(settings.mongodb_database)
        await mongo.close()


@asynccontextmanager
async def meta():
    """The emulator, with one number; the address of its Graph API."""
    emulator = Emulator(Config(app_secret=SECRET))
    emulator.directory.add_business(Business("200000000000001", WABA, "15550001111"))
    emulator.directory.grant(TOKEN, WABA)
    async with TestServer(build_app(emulator)) as server:
        yield str(server.make_url(""))


async def found_with(settings, **changes):
    return await examine(settings.model_copy(update=changes))


def about(findings, name):
    return next(finding for finding in findings if finding.about == name)


@pytest.mark.integration
async def test_where_all_is_well_nothing_is_a_problem(settings):
    async with meta() as url, account(settings):
        findings = await found_with(settings, graph_base_url=url)
    assert problems(findings) == []
    assert about(findings, "token of bot").level is Level.OK
    assert about(findings, "app secret").says.startswith("1 of 2 belong")
    assert not any(SECRET in str(finding) or TOKEN in str(finding) for finding in findings)


@pytest.mark.integration
async def test_kafka_away(settings):
    findings = await found_with(settings, kafka_bootstrap_servers="127.0.0.1:1")
    assert "no broker answers at 127.0.0.1:1" in about(problems(findings), "kafka").says


@pytest.mark.integration
async def test_another_key_of_the_same_name(settings):
    async with account(settings, kek=b"o" * 32):
        findings = await found_with(settings)
    assert "1 of 1 accounts do not open; bot" in about(problems(findings), "keys").says


@pytest.mark.integration
@pytest.mark.parametrize("keks", ["{", "[]", '{"k": "c2hvcnQ="}', "{}"])
async def test_keys_that_cannot_be_used(settings, keks):
    findings = await found_with(settings, accounts_keks=type(settings.accounts_keks)(keks))
    assert "cannot be used" in about(problems(findings), "keys").says


@pytest.mark.integration
async def test_a_wrong_app_secret_and_a_token_that_nobody_issued(settings):
    async with meta() as url, account(settings):
        wrong = type(settings.whatsapp_app_secrets)("fake-secret-of-another-app")
        findings = await found_with(settings, graph_base_url=url, whatsapp_app_secrets=wrong)
        assert "none of the 1 belongs" in about(problems(findings), "app secret").says
    async with meta() as url, account(settings, token="fake-token-revoked"):
        findings = await found_with(settings, graph_base_url=url)
        assert "not valid" in about(problems(findings), "token of bot").says


@pytest.mark.integration
async def test_meta_away(settings):
    async with account(settings):
        findings = await found_with(settings)
    assert "Meta does not answer" in about(problems(findings), "meta").says


@pytest.mark.integration
async def test_a_mongod_that_is_no_replica_set(settings, local_stack, tmp_path):
    command, environment = local_stack.mongo.command(1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    alone = [command[0], "--port", str(port), "--dbpath", str(tmp_path), "--bind_ip", "127.0.0.1"]
    process = subprocess.Popen(alone, env=dict(environment) or None, stdout=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(30):
            while True:
                findings = await found_with(settings, mongodb_uri=secret(f"mongodb://127.0.0.1:{port}/"))
                if "does not answer" not in about(findings, "mongodb").says:
                    break
        assert "no replica set" in about(problems(findings), "mongodb").says
    finally:
        process.kill()
        process.wait()


def secret(text):
    return type(DoctorSettings().mongodb_uri)(text)


@pytest.mark.integration
async def test_the_command_says_it_and_ends_with_3(kafka_bootstrap, mongodb_uri, monkeypatch, capsys):
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    code = await asyncio.to_thread(main, ["doctor", "--bootstrap", "127.0.0.1:1"])
    told = capsys.readouterr().out
    assert code == 3
    assert "PROBLEM  kafka: no broker answers at 127.0.0.1:1" in told
    assert "→ start it" in told
    code = await asyncio.to_thread(main, ["doctor", "--bootstrap", kafka_bootstrap, "--json"])
    assert code == 0
    assert {json.loads(line)["about"] for line in capsys.readouterr().out.splitlines()} >= {"kafka", "mongodb", "keys"}
