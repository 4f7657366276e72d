"""The API's documents: pages without internet, every call typed and with examples that are true, clients from them."""

import asyncio
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import httpx
import jsonschema
import pytest

from accounts.core import AccountRequest
from sender.api.batch import BatchItem, BatchParser
from sender.records.parsing import parse

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("ingress", "conversation", "sender", "accounts")
WHOLE = json.loads((ROOT / "docs" / "contracts" / "openapi.json").read_text())
CALLS = {
    operation["operationId"]: operation
    for path in WHOLE["paths"].values()
    for method, operation in path.items()
    if method in {"get", "post", "delete", "put", "patch"}
}
OF_KEYS = {name: call for name, call in CALLS.items() if not name.endswith("Webhook")}


def application(service):
    sys.path.insert(0, str(ROOT / "scripts" / "generate"))
    try:
        contracts = import_module("contracts")
    finally:
        sys.path.pop(0)
    settings = import_module(f"{service}.settings").Settings(**contracts.REQUIRED.get(service, {}))
    return import_module(f"{service}.app").build_app(settings)


def answered(service, *paths):
    """The answers of a service that is not started: its documents need nothing else."""

    async def ask():
        transport = httpx.ASGITransport(app=application(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://service.invalid") as client:
            return [await client.get(path) for path in paths]

    return asyncio.run(ask())


def content_of(part):
    (content,) = part["content"].values()
    return content


def mistakes(schema, value):
    whole = {**schema, "components": WHOLE["components"]}
    validator = jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@pytest.mark.parametrize("service", SERVICES)
def test_a_page_and_all_that_it_loads_come_from_the_service_itself(service):
    base = f"/whatsapp-cloud/docs/{service}"
    (page,) = answered(service, base)
    assert page.status_code == 200
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert len(loaded) == 4
    assert all(link.startswith(f"{base}/assets/") for link in loaded)
    for answer in answered(service, *loaded):
        assert answer.status_code == 200
        assert len(answer.content) > 1_000
    assert "://cdn." not in page.text


@pytest.mark.parametrize("name", ["LICENSE", "..%2f..%2fcore.py", "swagger-ui-bundle.js.map", "x" * 5_000])
def test_nothing_else_of_the_package_is_served(name):
    (answer,) = answered("sender", f"/whatsapp-cloud/docs/sender/assets/{name}")
    assert answer.status_code == 404


def test_the_whole_document_has_every_path_of_every_service():
    for service in SERVICES:
        (answer,) = answered(service, f"/whatsapp-cloud/docs/{service}/openapi.json")
        assert answer.json()["paths"].items() <= WHOLE["paths"].items()
    assert len(CALLS) == 19


@pytest.mark.parametrize("name", OF_KEYS)
def test_every_call_says_what_it_answers_with_an_example_and_how_it_fails(name):
    call = OF_KEYS[name]
    assert call["summary"]
    assert call["responses"].keys() >= {"200", "400", "401", "403", "503"}
    for status, answer in call["responses"].items():
        content = content_of(answer)
        assert content["examples"]
        for example in content["examples"].values():
            assert mistakes(content["schema"], example["value"]) == []
        assert content["schema"]["$ref"].endswith("/ErrorAnswer") == (status != "200")


@pytest.mark.parametrize("name", ["sendMessage", "sendBatch"])
def test_the_examples_of_requests_would_be_taken(name):
    examples = content_of(CALLS[name]["requestBody"])["examples"]
    assert examples
    for example in examples.values():
        body = json.dumps(example["value"]).encode()
        if name == "sendMessage":
            parse(body)
        else:
            batch = BatchParser(body)
            assert all(isinstance(batch.item(place, "new-id"), BatchItem) for place in range(len(batch)))


def test_the_example_of_an_account_would_be_taken():
    (example,) = content_of(CALLS["saveAccount"]["requestBody"])["schema"]["examples"]
    AccountRequest.model_validate(example)


def test_a_generated_client_has_every_call(tmp_path):
    document, client = ROOT / "docs" / "contracts" / "openapi.json", tmp_path / "client"
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", document]
    done = subprocess.run(
        [*command, "--output-path", client, "--meta", "none", "--fail-on-warning"],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},  # it formats with ruff
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = {path.stem for path in client.glob("api/*/*.py")} - {"__init__"}
    assert made == {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in CALLS}
    assert "UploadMediaFilesBody" in (client / "models" / "__init__.py").read_text()
    read = [sys.executable, "-c", f"from {client.name}.models import SendRequest, MessagePage, ErrorAnswer"]
    subprocess.run(read, cwd=tmp_path, check=True, timeout=60)


def test_what_a_secondary_may_answer_says_in_which_header():
    found = {name for name, call in OF_KEYS.items() if "X-Data-As-Of" in call["responses"]["200"].get("headers", {})}
    assert found == {"listConversations", "listMessages", "listWebhookEvents", "listUsage", "getUsageSummary"}
