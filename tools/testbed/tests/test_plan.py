"""The plan: every path has a service, and secrets stay where other users of the machine cannot see them."""

import hashlib
import json
from dataclasses import fields

import pytest

from testbed.gateway import in_turn, targets_of
from testbed.plan import PATHS, PREFIX, PROCESSES, SERVICES, Choices, Credentials, listeners, names_of, processes

PORTS = {name: 20_000 + n for n, name in enumerate(listeners({}))}
SECRET = Credentials()


@pytest.fixture
def plan():
    made = processes(PORTS, SECRET, kafka="kafka.invalid:9092", mongodb="mongodb://db.invalid", choices=Choices())
    return {process.name: process for process in made}


def routes_of(gateway):
    options = [argument.removeprefix("--route=") for argument in gateway.command if argument.startswith("--route=")]
    routes = {}
    for prefix, url in (option.split("=", 1) for option in options):
        routes.setdefault(prefix, []).append(url)
    return routes


def test_every_process_is_planned_once(plan):
    assert tuple(plan) == PROCESSES


def test_no_secret_is_in_the_command_line_of_a_service(plan):
    secrets = [getattr(SECRET, field.name) for field in fields(SECRET)]
    for name in (*SERVICES, "ai_responder", "gateway"):
        command = " ".join(plan[name].command)
        assert [secret for secret in secrets if secret in command] == []


def test_the_emulator_is_not_given_the_app_secret_in_its_command_line(plan):
    assert SECRET.app_secret not in " ".join(plan["emulator"].command)
    assert plan["emulator"].environment["EMULATOR_APP_SECRET"] == SECRET.app_secret


@pytest.mark.parametrize(("name", "path"), [(name, path) for name, paths in PATHS.items() for path in paths])
def test_every_path_is_routed_to_its_own_service(plan, name, path):
    base = f"http://127.0.0.1:{PORTS[name]}"
    routes = routes_of(plan["gateway"])
    assert targets_of(f"{PREFIX}{path}", routes) == [base]
    assert targets_of(f"{PREFIX}{path}/below", routes) == [base]


@pytest.mark.parametrize("internal", ["internal", "windows"])
def test_internal_listeners_are_not_reachable_through_the_gateway(plan, internal):
    routes = routes_of(plan["gateway"])
    assert [f"http://127.0.0.1:{PORTS[internal]}"] not in routes.values()
    assert targets_of("/internal/accounts/shop-bot/credentials", routes) == ()
    assert targets_of("/internal/windows", routes) == ()


def test_only_the_sender_may_ask_for_credentials_and_windows(plan):
    holders = {name for name, process in plan.items() if SECRET.internal_key in process.environment.values()}
    assert holders == {"sender"}
    entries = {entry["sha256"]: entry["scopes"] for entry in json.loads(SECRET.api_keys())}
    assert entries[hashlib.sha256(SECRET.internal_key.encode()).hexdigest()] == ["credentials", "windows"]
    own = entries[hashlib.sha256(SECRET.api_key.encode()).hexdigest()]
    assert not {"credentials", "windows"} & set(own)


def test_a_tenants_key_reaches_its_own_chatbots_alone():
    choices = Choices(tenants={"shop": ["shop-bot"], "cafe": ["cafe-bot", "bar-bot"]})
    made = processes(PORTS, SECRET, kafka="k", mongodb="m", choices=choices)
    for name in ("conversation", "sender", "accounts"):
        (environment,) = [process.environment for process in made if process.name == name]
        entries = {entry["sha256"]: entry for entry in json.loads(environment["API_KEYS"])}
        for tenant, chatbots in choices.tenants.items():
            entry = entries[hashlib.sha256(SECRET.key_of(tenant).encode()).hexdigest()]
            assert entry["chatbots"] == chatbots
            assert not {"credentials", "windows"} & set(entry["scopes"])
    assert len({SECRET.key_of("shop"), SECRET.key_of("cafe"), Credentials().key_of("shop")}) == 3


def test_the_key_that_encrypts_is_known_to_accounts_alone(plan):
    assert {name for name, process in plan.items() if SECRET.kek in repr(process.environment)} == {"accounts"}


def test_accounts_and_ingress_alone_share_the_key_of_verify_tokens(plan):
    settings = {name: process.environment.get("VERIFY_DIGEST_KEYS") for name, process in plan.items()}
    assert settings["accounts"] == settings["ingress"] == json.dumps({"demo": SECRET.verify_digest_key})
    holders = {name for name, process in plan.items() if SECRET.verify_digest_key in repr(process.environment)}
    assert holders == {"accounts", "ingress"}


def test_each_run_draws_its_own_secrets():
    other = Credentials()
    assert all(getattr(other, field.name) != getattr(SECRET, field.name) for field in fields(SECRET))


def test_extra_settings_reach_their_process_alone():
    choices = Choices(extra={"sender": {"LOG_LEVEL": "DEBUG"}})
    made = processes(PORTS, SECRET, kafka="k", mongodb="m", choices=choices)
    assert [process.name for process in made if "LOG_LEVEL" in process.environment] == ["sender"]


def test_replicas_have_names_and_ports_of_their_own_and_share_a_route():
    replicas = {"ingress": 2, "sender": 3, "accounts": 2}
    ports = {name: 20_000 + n for n, name in enumerate(listeners(replicas))}
    choices = Choices(replicas=replicas, commands={"sender": ["other"]}, extra={"sender": {"LOG_LEVEL": "DEBUG"}})
    plan = {made.name: made for made in processes(ports, SECRET, kafka="k", mongodb="m", choices=choices)}
    assert names_of("sender", replicas) == ["sender", "sender-2", "sender-3"]
    assert {"ingress-2", "sender-3", "accounts-2"} <= plan.keys()
    own = [made.environment["HTTP_PORT"] for made in plan.values() if "HTTP_PORT" in made.environment]
    assert len(set(own)) == len(own) == 8
    assert targets_of(f"{PREFIX}/send", routes_of(plan["gateway"])) == [
        f"http://127.0.0.1:{ports[name]}" for name in ("sender", "sender-2", "sender-3")
    ]
    assert all(plan[name].command == ["other"] for name in names_of("sender", replicas))
    assert all("LOG_LEVEL" in plan[name].environment for name in names_of("sender", replicas))
    # As behind a Kubernetes Service: a caller of accounts does not know which of them answers.
    peers = f"http://127.0.0.1:{ports['peers']}"
    assert {plan[name].environment["ACCOUNTS_INTERNAL_URL"] for name in names_of("sender", replicas)} == {peers}
    behind = targets_of("/internal/accounts/bot/credentials", routes_of(plan["peers"]))
    internal = [plan[name].environment["INTERNAL_PORT"] for name in names_of("accounts", replicas)]
    assert [url[-5:] for url in behind] == internal


def test_replicas_take_turns():
    assert [in_turn(["a", "b"], turn) for turn in range(3)] == [["a", "b"], ["b", "a"], ["a", "b"]]
    assert in_turn([], 5) == []
