"""The demo's plan: every path has a service, and secrets stay where other users of the machine cannot see them."""

import hashlib
import json
from dataclasses import fields

import pytest

from demo.gateway import target_of
from demo.plan import PATHS, PREFIX, PROCESSES, SERVICES, Credentials, processes

PORTS = {
    name: 20_000 + n
    for n, name in enumerate(["ingress", "conversation", "sender", "accounts", "internal", "emulator", "gateway"])
}
SECRET = Credentials()


@pytest.fixture
def plan():
    made = processes(PORTS, SECRET, kafka="kafka.invalid:9092", mongodb="mongodb://db.invalid", extra={})
    return {process.name: process for process in made}


def routes_of(gateway):
    options = [argument.removeprefix("--route=") for argument in gateway.command if argument.startswith("--route=")]
    return dict(option.split("=", 1) for option in options)


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
    assert target_of(f"{PREFIX}{path}", routes) == base
    assert target_of(f"{PREFIX}{path}/below", routes) == base


def test_credentials_are_not_reachable_through_the_gateway(plan):
    routes = routes_of(plan["gateway"])
    assert f"http://127.0.0.1:{PORTS['internal']}" not in routes.values()
    assert target_of("/internal/accounts/shop-bot/credentials", routes) is None


def test_only_the_sender_may_ask_for_credentials(plan):
    holders = {name for name, process in plan.items() if SECRET.internal_key in process.environment.values()}
    assert holders == {"sender"}
    entries = {entry["sha256"]: entry["scopes"] for entry in json.loads(SECRET.api_keys())}
    assert entries[hashlib.sha256(SECRET.internal_key.encode()).hexdigest()] == ["credentials"]
    assert "credentials" not in entries[hashlib.sha256(SECRET.api_key.encode()).hexdigest()]


def test_the_key_that_encrypts_is_known_to_accounts_alone(plan):
    assert {name for name, process in plan.items() if SECRET.kek in repr(process.environment)} == {"accounts"}


def test_each_run_draws_its_own_secrets():
    other = Credentials()
    assert all(getattr(other, field.name) != getattr(SECRET, field.name) for field in fields(SECRET))


def test_extra_settings_reach_their_process_alone():
    made = processes(PORTS, SECRET, kafka="k", mongodb="m", extra={"sender": {"LOG_LEVEL": "DEBUG"}})
    assert [process.name for process in made if "LOG_LEVEL" in process.environment] == ["sender"]
