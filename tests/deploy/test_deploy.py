"""What is deployed fits what is built: settings exist, ports and paths agree."""

import json
import re
from pathlib import Path

import pytest
import yaml

from accounts.settings import Settings as Accounts
from common.telemetry.settings import TelemetrySettings
from conversation.settings import Settings as Conversation
from ingress.settings import Settings as Ingress
from sender.settings import Settings as Sender

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
GATEWAY = (ROOT / "deploy" / "compose" / "gateway.conf").read_text()
ROUTES = (ROOT / "deploy" / "k8s" / "base" / "routes.yaml").read_text()
SETTINGS = {"ingress": Ingress, "conversation": Conversation, "sender": Sender, "accounts": Accounts}
NAME = re.compile(r"\b([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)\b")


def names_of(service):
    return {name.upper() for name in SETTINGS[service].model_fields}


def block(text, service):
    """A service's own lines of the compose file."""
    return re.search(rf"^  {service}:\n((?:    .*\n|\n)+)", text, re.MULTILINE)[1]


@pytest.mark.parametrize("service", SETTINGS)
def test_every_variable_of_the_compose_file_is_a_setting(service):
    given = set(re.findall(r"^      ([A-Z][A-Z0-9_]+):", block(COMPOSE, service), re.MULTILINE))
    shared = set(re.findall(r"^    ([A-Z][A-Z0-9_]+):", COMPOSE.split("services:")[0], re.MULTILINE))
    assert given
    assert shared
    assert given <= names_of(service)
    assert shared <= names_of(service) | {"MONGODB_URI"}


@pytest.mark.parametrize("service", SETTINGS)
def test_every_variable_of_the_manifests_is_a_setting(service):
    manifest = (ROOT / "deploy" / "k8s" / "base" / f"{service}.yaml").read_text()
    secrets = (ROOT / "deploy" / "k8s" / "overlays" / "dev" / "secrets" / f"{service}.env").read_text()
    given = set(re.findall(r"name: ([A-Z][A-Z0-9_]+),? ", manifest))
    given |= set(re.findall(r"^([A-Z][A-Z0-9_]+)=", secrets, re.MULTILINE))
    assert given <= names_of(service)


def test_every_shared_variable_is_a_setting_of_a_service():
    config = (ROOT / "deploy" / "k8s" / "base" / "config.yaml").read_text()
    given = set(re.findall(r"^  ([A-Z][A-Z0-9_]+):", config, re.MULTILINE))
    assert given
    assert given <= set().union(*map(names_of, SETTINGS))


def paths_of(service):
    return json.loads((ROOT / "docs" / "contracts" / f"openapi-{service}.json").read_text())["paths"]


@pytest.mark.parametrize("service", SETTINGS)
def test_the_proxy_of_the_compose_file_knows_every_path(service):
    locations = re.findall(r"location (= )?(\S+) \{(?:[^}]*?)proxy_pass \$(\w+);", GATEWAY)
    for path in paths_of(service):
        under = [(at, to) for exact, at, to in locations if path == at or (not exact and path.startswith(at))]
        assert max(under, key=lambda found: len(found[0]))[1] == service, path


def test_the_compose_file_names_only_what_it_has():
    """Its schema cannot tell; neither can a check without docker compose."""
    document = yaml.safe_load(COMPOSE)
    services = document["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= services.keys(), name
        for source in (volume.split(":")[0] for volume in service.get("volumes", ())):
            assert (ROOT / source).exists() if source.startswith(".") else source in document["volumes"], (name, source)
        needed = {other for other in service.get("depends_on", ()) if "profiles" in services[other]}
        assert all(services[other]["profiles"] == service.get("profiles") for other in needed), name


def test_kafka_is_on_localhost_where_programs_of_this_machine_look_for_it():
    kafka = block(COMPOSE, "kafka")
    (advertised,) = re.findall(r"^      KAFKA_ADVERTISED_LISTENERS: (\S+)", kafka, re.MULTILINE)
    (listeners,) = re.findall(r"^      KAFKA_LISTENERS: (\S+)", kafka, re.MULTILINE)
    (host, port, inside) = re.findall(r'^    ports: \["(\S+):(\d+):(\d+)"\]', kafka, re.MULTILINE)[0]
    assert host == "127.0.0.1"
    assert f"HOST://localhost:{port}" in advertised.split(",")
    assert f"HOST://:{inside}" in listeners.split(",")
    assert "PLAINTEXT://kafka:9092" in advertised.split(",")


def test_kafka_writes_to_the_volume_that_stays():
    # Without KAFKA_LOG_DIRS the image writes below /tmp, whatever is mounted elsewhere.
    (volume,) = re.findall(r"^    volumes: \[kafka:(\S+)\]$", COMPOSE, re.MULTILINE)
    assert re.findall(r"^      KAFKA_LOG_DIRS: (\S+)", block(COMPOSE, "kafka"), re.MULTILINE) == [volume]


@pytest.mark.parametrize("service", SETTINGS)
def test_the_ingress_of_kubernetes_knows_every_path(service):
    routes = re.findall(r"path: (\S+), pathType: Prefix, backend: \{service: \{name: (\w+),", ROUTES)
    for path in paths_of(service):
        under = [(at, to) for at, to in routes if path == at or path.startswith(f"{at}/")]
        assert max(under, key=lambda found: len(found[0]))[1] == service, path


def test_a_webhook_of_3_mb_passes():
    assert "client_max_body_size 3m" in GATEWAY
    assert re.search(r'proxy-body-size: "?3m', ROUTES)


def test_an_endpoint_that_is_empty_is_none():
    assert TelemetrySettings(otel_exporter_otlp_endpoint="").otel_exporter_otlp_endpoint is None


def test_the_release_runs_what_was_reviewed_and_can_build_what_it_promises():
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    used = re.findall(r"uses: (\S+)(.*)", workflow)
    assert used
    for action, comment in used:  # a tag can be moved, a commit cannot
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)
    assert "\npermissions: {}\n" in workflow
    steps = workflow.index("docker/setup-qemu-action"), workflow.index("platforms: linux/amd64,linux/arm64")
    assert steps == tuple(sorted(steps))
    assert set(re.search(r"service: \[(.*)\]", workflow)[1].split(", ")) == {*SETTINGS, "wa"}


@pytest.mark.parametrize("service", ["conversation", "sender", "accounts"])
def test_the_documents_say_that_every_call_needs_a_key(service):
    """A client that was made from them would send none."""
    document = json.loads((ROOT / "docs" / "contracts" / f"openapi-{service}.json").read_text())
    (scheme,) = document["components"]["securitySchemes"]
    calls = [call for path in document["paths"].values() for call in path.values() if isinstance(call, dict)]
    assert calls
    assert all(call["security"] == [{scheme: []}] for call in calls)
