"""`wa` beside the whole system as real processes: the doctor finds it well, and a person is erased while it runs."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import ClientSession
from bson import json_util

from common.mongo import Mongo, MongoSettings, schema
from testbed.client import Client, eventually
from testbed.plan import Choices
from testbed.system import System
from wa.__main__ import main

pytestmark = pytest.mark.e2e

NUMBER, ADA, BOB = "106540352249001", "4915900007001", "4915900007002"
LATER = datetime.now(UTC) + timedelta(hours=3)
WORDS = ("my heart is weak", "is it serious, doctor?")


@pytest.fixture(scope="module")
def system():
    own = {"MONGODB_DATABASE": f"wa_{uuid.uuid4().hex[:10]}"}
    settings = dict.fromkeys(("sender", "conversation", "accounts"), own)
    options = ("--delivered-after-ms", "30", "--read-after-ms", "60")
    with System(choices=Choices(extra=settings, emulator_options=options)) as system:
        yield system


@pytest.fixture
async def client(system):
    async with ClientSession() as session:
        yield Client(session, system.urls, system.secret)


@pytest.fixture
def database(system):
    return system.choices.extra["sender"]["MONGODB_DATABASE"]


@pytest.fixture
def wa(system, database, monkeypatch, capsys):
    """Runs `wa …` with the settings of the system; (exit code, output, complaints)."""
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": system.stack.kafka_bootstrap_servers,
        "MONGODB_URI": system.stack.mongodb_uri,
        "MONGODB_DATABASE": database,
        "GRAPH_BASE_URL": system.urls["emulator"],
        "ACCOUNTS_KEKS": json.dumps({"demo": system.secret.kek}),
        "WHATSAPP_APP_SECRETS": system.secret.app_secret,
        "API_KEYS": system.secret.api_keys(),
        "ACCOUNTS_INTERNAL_KEY": system.secret.internal_key,
        "CONVERSATION_INTERNAL_KEY": system.secret.internal_key,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    async def run(*arguments):
        code = await asyncio.to_thread(main, [*arguments])
        return (code, *capsys.readouterr())

    return run


@pytest.mark.feature("wa doctor")
async def test_the_doctor_finds_a_system_well_that_is(system, client, wa):
    await client.onboard("well", "106540352249009")
    urls = [system.urls[name] for name in ("ingress", "conversation", "sender", "accounts")]
    code, said, _ = await wa("doctor", *(part for url in urls for part in ("--service", url)))
    assert code == 0, said
    assert "0 problems" in said
    for about in ("token of well", "app secret", "accounts_internal_key", "conversation_internal_key", *urls):
        assert any(line.startswith("ok ") and about in line for line in said.splitlines()), said
    assert system.secret.app_secret not in said
    assert system.secret.kek not in said


async def test_the_doctor_sees_a_service_that_is_gone(system, wa):
    code, said, _ = await wa("doctor", "--service", "http://127.0.0.1:1", "--json")
    (found,) = [one for line in said.splitlines() if (one := json.loads(line))["level"] == "problem"]
    assert (code, found["about"]) == (3, "http://127.0.0.1:1")


async def converse(client, phone, name):
    for words in WORDS:
        await client.says(phone, NUMBER, f"{words} ({name})", name)
    later = {"chatbotId": "clinic", "to": f"+{phone}", "message": f"See you, {name}", "sendAt": LATER.isoformat()}
    await client.api("POST", "/send", {**later, "messageId": f"later-{name}"})


async def person_in(mongo, *names):
    """Where in the whole database one of these is, bytes included."""
    found = {}
    for collection in await mongo.database.list_collection_names():
        async for document in mongo.database[collection].find():
            plain = json_util.dumps(document)
            raw = b" ".join(value for value in document.values() if isinstance(value, bytes)).decode("utf-8", "replace")
            if hits := [name for name in names if name in plain or name in raw]:
                found[collection, str(document["_id"])] = hits
    return found


@pytest.mark.feature("erase a person on request")
async def test_a_person_is_erased_while_the_system_runs_and_may_come_back(system, client, wa, database):
    settings = MongoSettings(mongodb_uri=system.stack.mongodb_uri, mongodb_database=database)
    mongo = Mongo(settings)
    await client.onboard("clinic", NUMBER)
    await asyncio.gather(converse(client, ADA, "Ada Lovelace"), converse(client, BOB, "Bob Hale"))

    async def told(collection, query, count):
        return await mongo.database[collection].count_documents(query) >= count

    # Statuses may come before the result of their send, which alone has the request.
    reported = {"request": {"$exists": True}}
    await eventually("all replies are read", lambda: told("messages", {"deliveryStatus": "read", **reported}, 4))
    await eventually("all that waits is told", lambda: told("messages", {"deliveryStatus": "queued", **reported}, 2))
    await eventually("all is scheduled", lambda: told(schema.SEND_SCHEDULED.name, {}, 2))
    user = (await client.control("GET", "customers"))["customers"]
    names = (ADA, next(one["userId"] for one in user if one["waId"] == ADA), "Ada Lovelace")
    before = await person_in(mongo, *names)
    assert {collection for collection, _ in before} >= {"conversations", "messages", "send_journal", "send_scheduled"}
    bobs = await person_in(mongo, BOB, "Bob Hale")

    code, said, complaint = await wa("erase", "--contact", f"+{ADA}", "--by", "ann", "--because", "request 17", "--yes")
    assert code == 0, complaint
    assert names[1] in said
    assert await person_in(mongo, *names) == {}
    assert await person_in(mongo, BOB, "Bob Hale") == bobs
    assert (await wa("erase", "--contact", f"+{ADA}", "--by", "a", "--because", "b", "--dry-run"))[1].splitlines()[
        1
    ] == "to erase: nothing"

    # What she writes now is a new conversation, and is answered once.
    replies = len(await client.received(phone=ADA))
    await client.says(ADA, NUMBER, "Hello again", "Ada Lovelace")

    async def answered():
        return len(await client.received(phone=ADA)) > replies

    await eventually("she is answered", answered)
    assert len(await client.received(phone=ADA)) == replies + 1
    assert await mongo.database["conversations"].count_documents({"contact.waId": ADA, "inboundCount": 1}) == 1
    await mongo.close()


@pytest.mark.feature("erase a person on request")
async def test_what_is_parked_for_the_person_never_goes_out_and_their_lane_goes_on(system, client, wa, database):
    mongo = Mongo(MongoSettings(mongodb_uri=system.stack.mongodb_uri, mongodb_database=database))
    number, carol, dave = "106540352249777", "4915900007003", "4915900007004"
    token = (await client.control("POST", "businesses", {"phoneNumberId": number, "wabaId": "200000000000001"}))[
        "token"
    ]
    account = {"chatbotId": "held", "phoneNumberId": number, "accessToken": token, "webhookVerifyToken": "v"}
    await client.api("POST", "/account", account)
    await client.control("POST", "tokens/revoke", {"token": token})
    for phone in (carol, dave):
        # Only a template may go to a person who has never written.
        template = {"type": "template", "template": {"name": "hello", "language": {"code": "en"}}}
        for index in range(2):
            request = {"chatbotId": "held", "to": phone, "message": template, "messageId": f"{phone}-{index}"}
            await client.api("POST", "/send", request)

    async def parked():
        held = await mongo.database[schema.SEND_PARKED.name].count_documents({"group": "held"})
        told = await mongo.database[schema.MESSAGES.name].count_documents({"chatbotId": "held"})
        return (held, told) == (4, 4)

    await eventually("all four are parked, and conversation has been told", parked, seconds=40)
    assert (await wa("erase", "--contact", f"+{carol}", "--by", "a", "--because", "b", "--yes"))[0] == 0
    assert await person_in(mongo, carol) == {}
    token = (await client.control("POST", "tokens", {"wabaId": "200000000000001"}))["token"]
    await client.api("POST", "/account", {**account, "accessToken": token})

    async def released():
        return len(await client.received(phone=dave)) == 2

    await eventually("the other's go out", released, seconds=40)
    await client.api("POST", "/send", {"chatbotId": "held", "to": carol, "message": template, "messageId": "new"})

    async def new_one():
        return len(await client.received(phone=carol)) > 0

    await eventually("a new one goes out", new_one)
    assert len(await client.received(phone=carol)) == 1
    await mongo.close()
