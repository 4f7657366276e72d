"""What every service answers to a method that a path does not have: 405, and which ones it has (RFC 9110 §15.5.6)."""

import base64
import re
from importlib import import_module

import httpx
import pytest

from ingress.app import build_fast_path
from ingress.settings import Settings

KEYS = {"fake": base64.b64encode(b"f" * 32).decode()}
REQUIRED = {
    "sender": {"accounts_internal_key": "fake-key", "callback_keys": KEYS},
    "accounts": {"accounts_keks": KEYS, "verify_digest_keys": KEYS},
    "conversation": {"callback_keys": KEYS},
    "ingress": {},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")
ALWAYS = {"OPTIONS"}  # which the framework answers by itself


def application(name, which):
    """One application of a service; it is not started."""
    settings = import_module(f"{name}.settings").Settings(kafka_bootstrap_servers="127.0.0.1:1", **REQUIRED[name])
    module = import_module(f"{name}.app")
    return getattr(module.build_apps(settings), which) if which else module.build_app(settings)


def paths_of(app):
    """Each path with the methods that it has; a raw ASGI route takes all of them."""
    for route in app.routes:
        methods = getattr(route, "methods", None)
        if methods:
            yield re.sub(r"\{[^}]*\}", "1", route.path), {str(method) for method in methods} | ALWAYS


@pytest.mark.parametrize(
    ("name", "which"),
    [
        ("ingress", None),
        ("sender", None),
        *((name, which) for name in ("conversation", "accounts") for which in ("public", "internal")),
    ],
)
async def test_a_405_names_the_methods_of_its_path(name, which):
    app, checked = application(name, which), 0
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for path, methods in paths_of(app):
            for method in set(METHODS) - methods:
                answer = await client.request(method, path)
                assert (path, method, answer.status_code) == (path, method, 405)
                assert set(answer.headers["allow"].split(", ")) == methods
                assert method == "HEAD" or answer.json()["error"]["code"] == "method_not_allowed"
                checked += 1
    assert checked


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"])
@pytest.mark.parametrize("path", ["/whatsapp-cloud/webhook", "/whatsapp-cloud/webhook/"])
async def test_the_webhook_path_is_past_the_framework_and_names_its_methods_too(method, path):
    front = build_fast_path(Settings(kafka_bootstrap_servers="127.0.0.1:1"))
    for app in (front, front.app):
        sent = []

        async def send(message, sent=sent):
            sent.append(message)

        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": b"", "headers": [], "scheme": "http", "server": ("test", 80), "client": ("127.0.0.1", 1),
        }  # fmt: skip
        await app(scope, None, send)
        assert sent[0]["status"] == 405
        assert dict(sent[0]["headers"])[b"allow"] == b"GET, POST"
