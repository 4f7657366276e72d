"""`wa topics`, `wa indexes`, `wa keys`; and that every command says what it is for, with an example that is one."""

import argparse
import base64
import json
import re
import shlex
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from common.contracts import topics
from common.mongo import Mongo, MongoSettings, schema
from common.mongo.indexes import Standing, compare_indexes, ensure_indexes
from common.security.key_ring import KeyRing, place_of
from wa.__main__ import main, parser

README = Path(__file__).resolve().parents[1] / "README.md"
OLD, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"o", b"n"))


def commands(made=None, path=("wa",)):
    """Every command with its parser."""
    made = made or parser()
    groups = [action for action in made._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield " ".join(path), made
    for name, inner in [pair for group in groups for pair in group.choices.items()]:
        yield from commands(inner, (*path, name))


@pytest.mark.parametrize(
    ("name", "command"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_help_of_every_command_says_what_it_is_for_and_has_an_example_that_can_be_run(name, command):
    (example,) = re.findall(r"^example: (.*)$", command.epilog, re.MULTILINE)
    assert example.startswith(name)
    parser().parse_args(shlex.split(example)[1:])
    assert len(command.description) > 30
    assert all(action.help for action in command._actions)


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_the_readme_has_every_command_with_an_example_that_can_be_run(name):
    examples = [
        line.split("#")[0].strip()
        for line in README.read_text().splitlines()
        if line.startswith(f"{name} ") or line == name
    ]
    assert examples
    for example in examples:
        parser().parse_args(shlex.split(example)[1:])


@pytest.fixture
async def mongo(mongodb_uri, monkeypatch):
    settings = MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=f"wa_{uuid.uuid4().hex[:10]}")
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", settings.mongodb_database)
    mongo = Mongo(settings)
    yield mongo
    await mongo.client.drop_database(settings.mongodb_database)
    await mongo.close()


@pytest.mark.integration
async def test_topics_are_checked_created_and_listed(wa, own_kafka, monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", own_kafka)
    code, said, _ = await wa("topics", "check")
    assert (code, "missing: " in said) == (3, True)
    code, said, _ = await wa("topics", "ensure", "--replication", 1)
    assert (code, said.splitlines()[0]) == (0, f"created {len(topics.ALL)} topics")
    again = (await wa("topics", "ensure"))[1].splitlines()
    assert again[:2] == ["created 0 topics", "what is there is left as it is:"]
    assert "fewer than 3 copies" in "".join(again)
    code, said, _ = await wa("topics", "check")
    assert (code, "PROBLEM" in said) == (0, False)
    listed = [json.loads(line) for line in (await wa("topics", "list", "--json"))[1].splitlines()]
    assert {one["name"]: one["there"]["partitions"] for one in listed} == {t.name: t.partitions for t in topics.ALL}
    assert "12 partitions, 1 copies" in (await wa("topics", "list", "--bootstrap", own_kafka))[1]


async def test_declared_topics_are_listed_without_kafka(wa):
    code, said, _ = await wa("topics", "list", "--declared", "--bootstrap", "127.0.0.1:1")
    assert (code, len(said.splitlines())) == (0, len(topics.ALL))


@pytest.mark.integration
async def test_indexes_are_created_once_and_listed_as_they_stand(wa, mongo):
    assert (await wa("indexes", "list"))[0] == 3
    count = sum(len(one.indexes) for one in schema.ALL)
    code, said, _ = await wa("indexes", "ensure")
    assert (code, said.splitlines()[0]) == (0, f"created {count} indexes")
    assert (await wa("indexes", "ensure"))[1] == "created 0 indexes\n"
    code, said, _ = await wa("indexes", "list", "--json")
    assert code == 0
    assert {json.loads(line)["standing"] for line in said.splitlines()} == {"as declared"}
    await mongo.database["messages"].drop_index("by_wamid")
    await mongo.database["messages"].create_index([("wamid", 1)], name="by_wamid")
    code, said, _ = await wa("indexes", "list")
    assert (code, "other than declared" in said) == (3, True)


@pytest.mark.integration
async def test_the_owners_time_of_keeping_replaces_another_and_operators_leave_it(wa, mongo):
    log = schema.WEBHOOK_EVENTS
    await ensure_indexes(mongo.database, log)
    await ensure_indexes(mongo.database, log, keep=timedelta(days=7))
    there = await mongo.database[log.name].index_information()
    assert there["kept"]["expireAfterSeconds"] == 7 * 24 * 3600
    code, said, _ = await wa("indexes", "ensure")
    assert (code, said) == (
        0,
        f"created {sum(len(one.indexes) for one in schema.ALL if one is not log)} indexes\n"
        + "".join(f"  {one.name}.{index.name}\n" for one in schema.ALL for index in one.indexes if one is not log),
    )
    assert (await compare_indexes(mongo.database, log))["kept"] == Standing.KEPT_OTHERWISE


@pytest.mark.integration
async def test_keys_are_drawn_counted_and_secrets_wrapped_anew(wa, mongo, monkeypatch):
    _, said, _ = await wa("keys", "new", "--id", "2026-12")
    assert re.fullmatch(r'ACCOUNTS_KEKS=\{"2026-12": ".{44}"\}\nACCOUNTS_PRIMARY_KEK=2026-12\n', said)
    ring = KeyRing({"old": b"o" * 32}, "old")
    sealed = {name: ring.seal("fake", place_of("bot", name)) for name in ("accessToken", "webhookVerifyToken")}
    await mongo.database[schema.ACCOUNTS.name].insert_one({"_id": "bot", **sealed})
    monkeypatch.setenv("ACCOUNTS_KEKS", json.dumps({"new": NEW}))
    monkeypatch.setenv("ACCOUNTS_PRIMARY_KEK", "new")
    code, said, _ = await wa("keys", "list")
    assert (code, "old                      NOT CONFIGURED  wraps 2 secrets" in said) == (3, True)
    monkeypatch.setenv("ACCOUNTS_KEKS", json.dumps({"new": NEW, "old": OLD}))
    code, said, _ = await wa("keys", "list")
    assert (code, "old                      configured      wraps 2 secrets\n" in said) == (0, True)
    monkeypatch.setenv("VERIFY_DIGEST_KEYS", json.dumps({"any": NEW}))  # it runs with the settings of accounts
    assert (await wa("keys", "rewrap"))[0] == 0
    code, said, _ = await wa("keys", "list")
    assert "new                      primary         wraps 2 secrets" in said
    assert "old                      configured      wraps 0 secrets; may be removed" in said


async def test_rewrapping_where_accounts_is_not_installed_says_where_to_do_it(wa, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    code, _, complaint = await wa("keys", "rewrap")
    assert (code, "python -m accounts rewrap" in complaint) == (1, True)


async def test_keys_cannot_be_listed_that_are_not_given(wa):
    code, _, complaint = await wa("keys", "list")
    assert (code, "ACCOUNTS_KEKS is not set here" in complaint) == (2, True)


@pytest.mark.integration
async def test_mongodb_away_is_one_sentence(wa, monkeypatch):
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300")
    for command in (["indexes", "list"], ["erase", "--contact", "+491510000001", "--by", "a", "--because", "b"]):
        code, _, complaint = await wa(*command)
        assert code == 1
        (line,) = complaint.strip().splitlines()
        assert line.startswith("wa: MongoDB: it does not answer (ServerSelectionTimeoutError): start it")


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "says"),
    [
        (("topics", "list", "--bootstrap", "one:many"), {}, 2, "`one:many` is not host:port"),
        (("indexes", "list"), {"MONGODB_URI": "mongodb://u:fake-pass@word@h/"}, 2, "MONGODB_URI"),
        (
            ("indexes", "list"),
            {"MONGODB_URI": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"},
            1,
            "wa: MongoDB: it does not answer (ServerSelectionTimeoutError): start it",
        ),
        (("keys", "list"), {"ACCOUNTS_KEKS": "{"}, 2, "ACCOUNTS_KEKS cannot be used"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments, settings, code, says):
    done = subprocess.run(
        [sys.executable, "-m", "wa", *arguments],
        env={"PATH": "", **settings}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, says in done.stderr) == (code, True)
    assert "fake-pass" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if not line.startswith(("usage:", " "))]) == 1


@pytest.mark.integration
async def test_what_kafka_refuses_is_not_called_away(wa, own_kafka):
    code, _, complaint = await wa("topics", "ensure", "--bootstrap", own_kafka, "--replication", "9")
    assert code == 1
    assert (
        complaint.strip()
        .splitlines()[-1]
        .startswith(f"wa: Kafka at {own_kafka} refuses: KafkaError: topics whatsapp-cloud-webhooks, ")
    )


async def test_how_long_records_are_kept_is_readable(wa):
    _, out, _ = await wa("topics", "list", "--declared")
    assert re.search("whatsapp-cloud-dlq-audit .* 365 days ", out)
    assert re.search("whatsapp-cloud-numbers .* 1 hours ", out)


def test_who_needs_no_kafka_need_not_be_told_of_it_rightly(monkeypatch, capsys):
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")  # and no login
    assert main(["keys", "new"]) == 0
    assert main(["keys", "list"]) == 2
    assert "ACCOUNTS_KEKS is not set here" in capsys.readouterr().err
    assert main(["topics", "list", "--declared"]) == 2
    assert "KAFKA_SASL_USERNAME" in capsys.readouterr().err
