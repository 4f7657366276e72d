"""What runs where in the demo: each process with its command and its environment. Pure."""

import base64
import hashlib
import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SERVICES = ("ingress", "conversation", "sender", "accounts")
PROCESSES = (*SERVICES, "emulator", "ai_responder", "gateway")
PREFIX = "/whatsapp-cloud"
PATHS = {
    "ingress": ("/webhook", "/docs/ingress"),
    "conversation": ("/conversations", "/messages", "/webhook-events", "/usage", "/docs/conversation"),
    "sender": ("/send", "/docs/sender"),
    "accounts": ("/account", "/docs/accounts"),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Secrets of one run, drawn at its start and good for nothing else."""

    app_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    verify_token: str = field(default_factory=lambda: "demo-" + secrets.token_hex(8))
    api_key: str = field(default_factory=lambda: "wk_demo_" + secrets.token_hex(12))
    internal_key: str = field(default_factory=lambda: "wk_internal_" + secrets.token_hex(12))
    kek: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())

    def api_keys(self) -> str:
        """The setting API_KEYS."""
        keys = [("demo", self.api_key, ["accounts", "send", "read"]), ("sender", self.internal_key, ["credentials"])]
        return json.dumps(
            [{"name": n, "sha256": hashlib.sha256(k.encode()).hexdigest(), "scopes": s} for n, k, s in keys]
        )


@dataclass(frozen=True, slots=True)
class Process:
    """One process: how to start it, and where it says that it is ready (None: it has no such place)."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready_url: str | None = None


def urls(ports: Mapping[str, int]) -> dict[str, str]:
    """Base URL of each process that listens."""
    return {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


def processes(
    ports: Mapping[str, int],
    secret: Credentials,
    *,
    kafka: str,
    mongodb: str,
    extra: Mapping[str, Mapping[str, str]],
    emulator_options: Sequence[str] = (),
) -> list[Process]:
    """All processes. `ports` has one for each listener; `extra` are settings by process, for tests."""
    base = urls(ports)
    common = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "MONGODB_URI": mongodb, "HTTP_HOST": "127.0.0.1"}
    of_service = {
        "ingress": {"WHATSAPP_APP_SECRETS": secret.app_secret, "WHATSAPP_VERIFY_TOKEN": secret.verify_token},
        "conversation": {"API_KEYS": secret.api_keys()},
        "sender": {
            "API_KEYS": secret.api_keys(),
            "GRAPH_BASE_URL": base["emulator"],
            "ACCOUNTS_INTERNAL_URL": base["internal"],
            "ACCOUNTS_INTERNAL_KEY": secret.internal_key,
        },
        "accounts": {
            "API_KEYS": secret.api_keys(),
            "INTERNAL_PORT": str(ports["internal"]),
            "ACCOUNTS_KEKS": json.dumps({"demo": secret.kek}),
        },
    }
    services = [
        Process(
            name,
            [sys.executable, "-m", name],
            {**common, "HTTP_PORT": str(ports[name]), **of_service[name], **extra.get(name, {})},
            f"{base[name]}/health/ready",
        )
        for name in SERVICES
    ]
    emulator = Process(
        "emulator",
        [
            *(sys.executable, "-m", "graph_emulator", "--port", str(ports["emulator"])),
            *("--webhook-url", f"{base['gateway']}{PREFIX}/webhook", "--verify-token", secret.verify_token),
            *emulator_options,
        ],
        {"EMULATOR_APP_SECRET": secret.app_secret, **extra.get("emulator", {})},
        f"{base['emulator']}/_control/health",
    )
    responder = Process(
        "ai_responder", [sys.executable, "-m", "ai_responder"], {**common, **extra.get("ai_responder", {})}
    )
    routes = [f"--route={PREFIX}{path}={base[name]}" for name, paths in PATHS.items() for path in paths]
    gateway = Process(
        "gateway",
        [sys.executable, "-m", "demo.gateway", "--port", str(ports["gateway"]), *routes],
        {},
        f"{base['gateway']}{PREFIX}/docs/ingress/openapi.json",
    )
    return [*services, emulator, responder, gateway]
