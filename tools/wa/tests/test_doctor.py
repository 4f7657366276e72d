"""`wa doctor`: each ailment is found, named, and comes with a remedy."""

import asyncio
import base64
import json
import os
import re
import sys
import uuid
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from pydantic import SecretStr

from common.contracts import topics
from common.http.auth import ApiKey
from common.kafka.admin import describe_topics, ensure_topics
from common.kafka.settings import KafkaSettings
from common.mongo import Mongo, schema
from common.mongo.indexes import ensure_indexes
from common.security.key_ring import KeyRing, place_of
from local_stack.errors import LocalStackError
from local_stack.ports import free_ports
from wa.__main__ import main
from wa.doctor.checks import ACCOUNTS, DoctorSettings, check_internal_keys, copy_wait
from wa.doctor.commands import examine
from wa.doctor.findings import Level

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEK = base64.b64encode(b"k" * 32).decode()
APP_ID, SECRET, TOKEN, WABA = "100000000000001", "fake-app-secret", "fake-token", "100000000000001"


def problems(findings):
    return [finding for finding in findings if finding.level is Level.PROBLEM]


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
async def account(settings, token=TOKEN, kek=b"k" * 32, name="bot"):
    """An account as the service stores it."""
    mongo, ring = Mongo(settings), KeyRing({"k": kek}, "k")
    sealed = {"accessToken": ring.seal(token, place_of(name, "accessToken"))}
    await mongo.database[ACCOUNTS].insert_one({"_id": name, "phoneNumberId": name, "status": "active", **sealed})
    try:
        yield mongo
    finally:
        await mongo.client.drop_database(settings.mongodb_database)
        await mongo.close()


@asynccontextmanager
async def meta():
    """The emulator as a process, with one number; the address of its Graph API."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "graph_emulator", "--business", f"200000000000001:{TOKEN}:{WABA}:15550001111"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "EMULATOR_APP_SECRET": SECRET},
    )
    try:
        async with asyncio.timeout(20):
            yield (await process.stdout.readline()).decode().split()[-1]
    finally:
        process.terminate()
        await process.communicate()


async def ends(url, token, at):
    """Have a token end, or have ended, at this moment."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{url}/_control/tokens/expire", json={"token": token, "expiresAt": int(at.timestamp())}
        ) as answer,
    ):
        assert (await answer.json()) == {"known": True}


async def found_with(settings, *services, **changes):
    return await examine(settings.model_copy(update=changes), services)


def about(findings, name):
    return next(finding for finding in findings if finding.about == name)


@pytest.mark.integration
async def test_where_all_is_well_nothing_is_a_problem(settings):
    async with meta() as url, account(settings) as mongo:
        for collection in schema.ALL:
            await ensure_indexes(mongo.database, collection)
        findings = await found_with(settings, graph_base_url=url)
    assert problems(findings) == []
    assert about(findings, "token of bot").level is Level.OK
    assert about(findings, "app secret").says.startswith("1 of 2 belong")
    assert {about(findings, name).level for name in ("kafka", "indexes", "clock", "mongodb version")} == {Level.OK}
    assert not any(SECRET in str(finding) or TOKEN in str(finding) for finding in findings)


@pytest.mark.integration
@pytest.mark.feature("wa doctor")
async def test_kafka_away(settings):
    findings = await found_with(settings, kafka_bootstrap_servers="127.0.0.1:1")
    assert "no broker answers at 127.0.0.1:1" in about(problems(findings), "kafka").says


async def silence(reader, writer):
    """A broker that was stopped: it takes connections, and says nothing."""
    await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.integration
async def test_a_broker_that_hangs_is_not_taken_for_all_of_them(kafka_bootstrap):
    async with await asyncio.start_server(silence, "127.0.0.1", 0) as hanging:
        stopped = [f"127.0.0.1:{hanging.sockets[0].getsockname()[1]}"] * 2
        settings = KafkaSettings(kafka_bootstrap_servers=",".join([*stopped, kafka_bootstrap]))
        there = await describe_topics(settings)
        hanging.close()
        await asyncio.sleep(0)  # for `silence` to see the end
    assert isinstance(there, dict)


@pytest.mark.integration
async def test_a_missing_topic_and_wrong_partitions_are_named(settings, own_kafka):
    kafka = KafkaSettings(kafka_bootstrap_servers=own_kafka)
    await ensure_topics(
        kafka, [topic for topic in topics.ALL if topic not in (topics.SEND_DLQ, topics.SEND_RETRY_4S, topics.ACCOUNTS)]
    )
    await ensure_topics(kafka, [replace(topics.SEND_RETRY_4S, partitions=6), replace(topics.ACCOUNTS, partitions=3)])
    found = [
        f.says for f in problems(await found_with(settings, kafka_bootstrap_servers=own_kafka)) if f.about == "topics"
    ]
    assert f"missing: {topics.SEND_DLQ.name}" in found
    assert any("the four topics of sender need the same number" in said and "4s 6" in said for said in found)
    assert any(f"{topics.ACCOUNTS.name} has 3 partitions" in said for said in found)
    assert len(found) == 3


@pytest.mark.integration
async def test_another_key_of_the_same_name(settings):
    async with account(settings, kek=b"o" * 32):
        findings = await found_with(settings)
    assert "1 of 1 accounts cannot be decrypted; bot" in about(problems(findings), "keys").says


@pytest.mark.integration
@pytest.mark.parametrize("keks", ["{", "[]", '{"k": "c2hvcnQ="}', "{}", '{"k": "no base64!"}'])
async def test_keys_that_cannot_be_used(settings, keks):
    findings = await found_with(settings, accounts_keks=SecretStr(keks))
    assert "cannot be used" in about(problems(findings), "keys").says


@pytest.mark.integration
async def test_app_secrets_are_read_as_ingress_reads_them(settings):
    async with meta() as url, account(settings):
        given = {"graph_base_url": url, "whatsapp_app_secrets": SecretStr(json.dumps(["fake-old-secret", SECRET]))}
        assert about(await found_with(settings, **given), "app secret").says.startswith("1 of 2 belong")
        given["whatsapp_app_secrets"] = SecretStr(f'["{SECRET}')
        broken = about(problems(await found_with(settings, **given)), "app secret")
    assert "cannot be used" in broken.says
    assert SECRET not in broken.says


@pytest.mark.integration
async def test_a_wrong_app_secret(settings):
    async with meta() as url, account(settings):
        findings = await found_with(settings, graph_base_url=url, whatsapp_app_secrets=SecretStr("fake-of-another-app"))
    assert "none of the 1 belongs" in about(problems(findings), "app secret").says


@pytest.mark.integration
async def test_an_expired_token_is_found_and_since_when_where_the_app_is_known(settings):
    async with meta() as url, account(settings):
        await ends(url, TOKEN, NOW)
        alone = await found_with(settings, graph_base_url=url)
        findings = await found_with(settings, graph_base_url=url, whatsapp_app_id=APP_ID)
    assert "it expired, was revoked, or was never issued" in about(problems(alone), "token of bot").says
    assert about(alone, "app secret").fix.startswith("set WHATSAPP_APP_ID")
    assert about(problems(findings), "token of bot").says == "it expired on 2026-11-01 00:00 UTC"
    assert about(findings, "app secret").level is Level.OK


@pytest.mark.integration
async def test_a_token_that_ends_soon_is_a_warning_and_one_that_meta_did_not_issue_a_problem(settings):
    async with meta() as url, account(settings):
        await ends(url, TOKEN, datetime.now(UTC) + timedelta(days=3))
        assert about(await found_with(settings, graph_base_url=url), "token of bot").level is Level.WARNING
    async with meta() as url, account(settings, token="fake-token-revoked"):
        findings = await found_with(settings, graph_base_url=url)
        assert "not valid" in about(problems(findings), "token of bot").says


@pytest.mark.integration
async def test_meta_away(settings):
    async with account(settings):
        findings = await found_with(settings)
    assert "Meta does not answer" in about(problems(findings), "meta").says


@pytest.mark.integration
async def test_tokens_that_were_not_looked_at_are_counted(settings):
    async with meta() as url, account(settings) as mongo:
        one = await mongo.database[ACCOUNTS].find_one()
        ring = KeyRing({"k": b"k" * 32}, "k")
        sealed = {f"bot-{n}": ring.seal(TOKEN, place_of(f"bot-{n}", "accessToken")) for n in range(24)}
        more = [{**one, "_id": name, "phoneNumberId": name, "accessToken": token} for name, token in sealed.items()]
        await mongo.database[ACCOUNTS].insert_many(more)
        findings = await found_with(settings, graph_base_url=url)
    assert about(findings, "tokens").says == "only 20 of 25 were checked"


async def trickle(_, writer):
    """Answers, and never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    with suppress(ConnectionError):
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.integration
async def test_what_hangs_in_the_middle_of_an_answer_delays_no_other_check(settings, monkeypatch):
    monkeypatch.setattr("wa.doctor.commands._SECONDS", 1.0)
    monkeypatch.setattr("wa.doctor.checks._SECONDS", 1.0)
    async with account(settings), await asyncio.start_server(trickle, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with asyncio.timeout(20):
            findings = await found_with(settings, url, kafka_bootstrap_servers="127.0.0.1:1", graph_base_url=url)
        server.close()
    assert "no complete answer within 1 s" in about(problems(findings), "keys and tokens").says
    assert about(problems(findings), url).says == "it does not answer (TimeoutError)"


async def test_what_was_not_looked_at_is_said(settings):
    assert {f.says for f in check_internal_keys(settings)} == {"not checked: API_KEYS is not set here"}
    keys = [ApiKey(name="sender", sha256="0" * 64, scopes={"credentials"})]
    unset = {f.says for f in check_internal_keys(settings.model_copy(update={"api_keys": keys}))}
    assert "not checked: ACCOUNTS_INTERNAL_KEY is not set here" in unset


@pytest.mark.integration
async def test_mongodb_away(settings):
    findings = await found_with(settings, mongodb_uri=SecretStr("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300"))
    assert "does not answer" in about(problems(findings), "mongodb").says


@pytest.mark.integration
async def test_a_mongod_that_is_no_replica_set(settings, local_stack, tmp_path):
    (port,) = free_ports(1)
    try:
        mongod = local_stack.mongo.command(1)[0][0]
    except LocalStackError:
        pytest.skip("needs a mongod to start, and one is given")
    process = await asyncio.create_subprocess_exec(
        *(mongod, "--port", str(port), "--dbpath", str(tmp_path), "--bind_ip", "127.0.0.1"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            while (
                "does not answer"
                in about(
                    findings := await found_with(settings, mongodb_uri=SecretStr(f"mongodb://127.0.0.1:{port}/")),
                    "mongodb",
                ).says
            ):
                pass
        assert "not a replica set" in about(problems(findings), "mongodb").says
    finally:
        process.kill()
        await process.wait()


@pytest.mark.integration
async def test_how_long_a_secondary_waits_is_read_from_mongodb(settings):
    mongo = Mongo(settings)
    try:
        there = await mongo.client.admin.command("getParameter", 1, oplogNetworkTimeoutBufferSeconds=1)
        assert await copy_wait(mongo) == there["oplogNetworkTimeoutBufferSeconds"] > 0
    finally:
        await mongo.close()


@pytest.mark.integration
async def test_an_index_that_is_other_than_declared(settings):
    async with account(settings) as mongo:
        await mongo.database["messages"].create_index([("wamid", 1)], name="by_wamid")
        findings = await found_with(settings)
    assert "messages.by_wamid" in about(problems(findings), "indexes").says


@pytest.mark.integration
async def test_a_service_that_is_not_there(settings):
    findings = await found_with(settings, "http://127.0.0.1:1", "no-url")
    assert {finding.about for finding in problems(findings)} == {"http://127.0.0.1:1", "no-url"}


@pytest.mark.integration
async def test_the_command_says_it_and_ends_with_3(kafka_bootstrap, mongodb_uri, monkeypatch, capsys):
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    code = await asyncio.to_thread(main, ["doctor", "--bootstrap", "127.0.0.1:1"])
    told = capsys.readouterr().out
    assert code == 3
    assert re.search("^PROBLEM  kafka +no broker answers at 127.0.0.1:1", told, re.MULTILINE)
    assert "→ start it" in told
    code = await asyncio.to_thread(main, ["doctor", "--bootstrap", kafka_bootstrap, "--json"])
    assert code == 0
    assert {json.loads(line)["about"] for line in capsys.readouterr().out.splitlines()} >= {"kafka", "mongodb", "keys"}
