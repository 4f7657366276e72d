"""The plan of a testbed: each process with its command and its environment. Pure."""

import base64
import hashlib
import hmac
import json
import secrets
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

SERVICES = ("ingress", "conversation", "sender", "accounts")
PROCESSES = (*SERVICES, "emulator", "ai_responder", "gateway")
PREFIX = "/whatsapp-cloud"
PATHS = {
    "ingress": ("/webhook", "/docs/ingress"),
    "conversation": ("/conversations", "/messages", "/webhook-events", "/usage", "/docs/conversation"),
    "sender": ("/send", "/media", "/numbers", "/docs/sender"),
    "accounts": ("/account", "/docs/accounts"),
}
INTERNAL = {"internal": "accounts", "windows": "conversation"}
"""The names of the services' internal listeners."""

PEERS = "peers"
"""The proxy before several internal listeners of one kind, like a Kubernetes Service."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The random secrets of one run."""

    app_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    verify_token: str = field(default_factory=lambda: "demo-" + secrets.token_hex(8))
    api_key: str = field(default_factory=lambda: "wk_demo_" + secrets.token_hex(12))
    internal_key: str = field(default_factory=lambda: "wk_internal_" + secrets.token_hex(12))
    kek: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    callback_key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    verify_digest_key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())

    def key_of(self, tenant: str) -> str:
        """The API key of one of `Choices.tenants`; it can access only that tenant's chatbots."""
        return "wk_tenant_" + hmac.new(self.api_key.encode(), tenant.encode(), hashlib.sha256).hexdigest()[:24]

    def api_keys(self, tenants: Mapping[str, Sequence[str]] | None = None) -> str:
        """The setting API_KEYS: an operator's key, the sender's, and one for each of `tenants` (name: chatbots)."""
        public = ["accounts", "send", "read"]
        keys = [
            _api_key("demo", self.api_key, public),
            _api_key("sender", self.internal_key, ["credentials", "windows"]),
            *(_api_key(name, self.key_of(name), public, bots) for name, bots in (tenants or {}).items()),
        ]
        return json.dumps(keys)


def _api_key(name: str, key: str, scopes: Sequence[str], chatbots: Sequence[str] = ("*",)) -> dict[str, object]:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return {"name": name, "sha256": digest, "scopes": [*scopes], "chatbots": [*chatbots]}


@dataclass(frozen=True, slots=True)
class Process:
    """One process: its command, and the URL of its readiness check (None: it has none)."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready_url: str | None = None


def names_of(service: str, replicas: Mapping[str, int]) -> list[str]:
    """The process names of a service's replicas: the first has the service's own."""
    return [service, *(f"{service}-{number}" for number in range(2, replicas.get(service, 1) + 1))]


def listeners(replicas: Mapping[str, int]) -> list[str]:
    """Everything that needs a port: each replica, its internal listener where it has one, emulator and gateway."""
    names = [name for service in SERVICES for name in names_of(service, replicas)]
    internal = [name for kind, service in INTERNAL.items() for name in names_of(kind, {kind: replicas.get(service, 1)})]
    return [*names, *internal, *[PEERS] * (len(internal) > len(INTERNAL)), "emulator", "gateway"]


def urls(ports: Mapping[str, int]) -> dict[str, str]:
    """Base URL of each process that listens."""
    return {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


@dataclass(frozen=True, slots=True)
class Choices:
    """How a system differs from the plain one.

    `extra` are settings by service; `replicas` how many of each there are; `commands` replaces that of a
    service. Processes named in `idle` are planned and not started: `System.spawn` does that. `tenants` are callers with
    an API key of their own (`Credentials.key_of`) that reaches these chatbots alone. `home` is the gateway's page, a
    file.
    """

    extra: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    emulator_options: Sequence[str] = ()
    replicas: Mapping[str, int] = field(default_factory=dict)
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    gateway_seconds: float = 30.0
    idle: Collection[str] = ()
    tenants: Mapping[str, Sequence[str]] = field(default_factory=dict)
    home: str = ""


def processes(
    ports: Mapping[str, int], secret: Credentials, *, kafka: str, mongodb: str, choices: Choices
) -> list[Process]:
    """All processes. `ports` has one for each of `listeners`."""
    base = urls(ports)
    common = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "MONGODB_URI": mongodb,
        "HTTP_HOST": "127.0.0.1",
        "ENV_FILE": "",  # the testbed has its own keys, which do not match those of a `.env`
    }
    extra = choices.extra
    services = [
        Process(
            name,
            choices.commands.get(service, [sys.executable, "-m", service]),
            {
                **common,
                "HTTP_PORT": str(ports[name]),
                **_settings_of(service, number, ports, secret, choices.tenants),
                **extra.get(service, {}),
            },
            f"{base[name]}/health/ready",
        )
        for service in SERVICES
        for number, name in enumerate(names_of(service, choices.replicas))
    ]
    responder = Process(
        "ai_responder",
        choices.commands.get("ai_responder", [sys.executable, "-m", "ai_responder"]),
        {**common, **extra.get("ai_responder", {})},
    )
    peers = [_peers(base, ports, choices)] if PEERS in ports else []
    return [*services, *peers, _emulator(base, ports, secret, choices), responder, _gateway(base, ports, choices)]


def _settings_of(
    service: str, number: int, ports: Mapping[str, int], secret: Credentials, tenants: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    keys = secret.api_keys(tenants)
    internal, windows = (_listeners_of(kind, ports) for kind in INTERNAL)
    accounts_at, conversation_at = (PEERS, PEERS) if PEERS in ports else (internal[0], windows[0])
    base = urls(ports)
    match service:
        case "ingress":
            return {
                "WHATSAPP_APP_SECRETS": secret.app_secret,
                "WHATSAPP_VERIFY_TOKEN": secret.verify_token,
                "VERIFY_DIGEST_KEYS": json.dumps({"demo": secret.verify_digest_key}),
            }
        case "conversation":
            return {
                "API_KEYS": keys,
                "INTERNAL_PORT": str(ports[windows[number]]),
                "CALLBACK_KEYS": json.dumps({"demo": secret.callback_key}),
            }
        case "sender":
            return {
                "API_KEYS": keys,
                "GRAPH_BASE_URL": base["emulator"],
                "ACCOUNTS_INTERNAL_URL": base[accounts_at],
                "ACCOUNTS_INTERNAL_KEY": secret.internal_key,
                "CONVERSATION_INTERNAL_URL": base[conversation_at],
                "CONVERSATION_INTERNAL_KEY": secret.internal_key,
                "CALLBACK_KEYS": json.dumps({"demo": secret.callback_key}),
            }
        case _:
            return {
                "API_KEYS": keys,
                "GRAPH_BASE_URL": base["emulator"],
                "INTERNAL_PORT": str(ports[internal[number]]),
                "ACCOUNTS_KEKS": json.dumps({"demo": secret.kek}),
                "VERIFY_DIGEST_KEYS": json.dumps({"demo": secret.verify_digest_key}),
            }


def _emulator(base: Mapping[str, str], ports: Mapping[str, int], secret: Credentials, choices: Choices) -> Process:
    return Process(
        "emulator",
        [
            *(sys.executable, "-m", "graph_emulator", "--port", str(ports["emulator"])),
            *("--webhook-url", f"{base['gateway']}{PREFIX}/webhook", "--verify-token", secret.verify_token),
            *choices.emulator_options,
        ],
        {"EMULATOR_APP_SECRET": secret.app_secret, **choices.extra.get("emulator", {})},
        f"{base['emulator']}/_control/health",
    )


def _listeners_of(kind: str, ports: Mapping[str, int]) -> list[str]:
    return [name for name in ports if name.split("-")[0] == kind]


def _peers(base: Mapping[str, str], ports: Mapping[str, int], choices: Choices) -> Process:
    paths = {"internal": "/internal/accounts", "windows": "/internal/windows"}
    routes = [f"--route={path}={base[name]}" for kind, path in paths.items() for name in _listeners_of(kind, ports)]
    command = [sys.executable, "-m", "testbed.gateway", "--port", str(ports[PEERS])]
    return Process(PEERS, [*command, "--timeout", str(choices.gateway_seconds), *routes], {})


def _gateway(base: Mapping[str, str], ports: Mapping[str, int], choices: Choices) -> Process:
    routes = [
        f"--route={PREFIX}{path}={base[name]}"
        for service, paths in PATHS.items()
        for path in paths
        for name in names_of(service, choices.replicas)
    ]
    command = [sys.executable, "-m", "testbed.gateway", "--port", str(ports["gateway"])]
    home = ["--home", choices.home] if choices.home else []
    return Process(
        "gateway",
        [*command, *home, "--timeout", str(choices.gateway_seconds), *routes],
        {},
        f"{base['gateway']}{PREFIX}/docs/ingress/openapi.json",
    )
