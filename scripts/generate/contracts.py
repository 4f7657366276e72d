"""Writes docs/contracts, and the settings in docs/operations.md. `make contracts`; `--check` only compares.

AsyncAPI of the topics, OpenAPI of each service and of all together, and a JSON Schema of each event and request.
"""

import argparse
import base64
import json
import re
import sys
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args

import msgspec
import settings_table
from pydantic import BaseModel
from stale_files import write_stale

from accounts.core import AccountRequest
from common.contracts import accounts, messages, number_events, reports, sends, topics, webhooks
from common.contracts.accounts import AccountChanged
from common.contracts.dlq_audit import LetterReplayed
from common.contracts.messages import IncomingMessage, MessageStatus
from common.contracts.number_events import NumberNews
from common.contracts.reports import IngressReport
from common.contracts.sends import SendRequest, SendResult
from common.contracts.webhooks import WebhookReceived
from sender.api.batch import Batch

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "contracts"
SERVICES = ("ingress", "conversation", "sender", "accounts")
EVENTS: dict[str, type[msgspec.Struct]] = {
    topics.WEBHOOKS.name: WebhookReceived,
    topics.INCOMING_MESSAGES.name: IncomingMessage,
    topics.MESSAGE_STATUS.name: MessageStatus,
    topics.SEND_RESULTS.name: SendResult,
    topics.ACCOUNTS.name: AccountChanged,
    topics.NUMBERS.name: NumberNews,
    topics.INGRESS_REPORTS.name: IngressReport,
    topics.DLQ_AUDIT.name: LetterReplayed,
}
VERSIONS: dict[type[msgspec.Struct], int] = {
    WebhookReceived: webhooks.VERSION,
    IncomingMessage: messages.VERSION,
    MessageStatus: messages.VERSION,
    SendResult: sends.VERSION,
    AccountChanged: accounts.VERSION,
    NumberNews: number_events.VERSION,
    IngressReport: reports.VERSION,
    LetterReplayed: 1,
}
REQUESTS: dict[str, type[BaseModel]] = {
    "send-request": SendRequest,
    "send-batch": Batch,
    "account-request": AccountRequest,
}
LOCAL = [
    {"url": "/", "description": "wherever this document is served"},
    {"url": "http://localhost:3000", "description": "the gateway of the local stack"},
]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
FAKE_KEY = {"fake": base64.b64encode(b"f" * 32).decode()}
REQUIRED: dict[str, dict[str, Any]] = {  # settings without a default; nothing is contacted
    "conversation": {"callback_keys": FAKE_KEY},
    "sender": {"accounts_internal_key": "fake-key", "callback_keys": FAKE_KEY},
    "accounts": {"accounts_keks": FAKE_KEY, "verify_digest_keys": FAKE_KEY},
}
HEADERS = {
    "type": "object",
    "properties": {
        "traceparent": {"type": "string", "description": "W3C Trace Context"},
        "tracestate": {"type": "string", "description": "W3C Trace Context"},
        "correlation-id": {"type": "string", "description": "follows one customer's exchange through every topic"},
        "event-id": {"type": "string"},
        "event-type": {"type": "string"},
        "content-type": {"const": "application/json"},
    },
}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document of every declared topic."""
    kinds = [_documented(kind) for kind in EVENTS.values()]
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    request = SendRequest.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    schemas = _plain({**components, **request.pop("$defs", {}), "SendRequest": request})
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "WhatsApp Cloud topics", "version": "1", "description": "Generated from common.contracts."},
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in topics.ALL},
        "components": {"schemas": schemas},
    }


@cache
def _documented(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The same structure with what a schema can state: a fragment of Meta as any JSON, times as RFC 3339."""
    fields: list[Any] = []
    for field in msgspec.structs.fields(kind):
        wanted = Any if field.type is msgspec.Raw else _stated(field.type)
        default = None if field.type is msgspec.Raw else field.default
        required = field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
        fields.append((field.name, wanted) if required else (field.name, wanted, default))
    made = msgspec.defstruct(kind.__name__, fields, kw_only=True, rename="camel")
    made.__doc__ = kind.__doc__
    return made


def _stated(wanted: Any) -> Any:
    if wanted is datetime:
        return Annotated[datetime, msgspec.Meta(tz=True)]
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        return _documented(wanted)
    if isinstance(wanted, UnionType):
        return Union[tuple(map(_stated, get_args(wanted)))]  # noqa: UP007  # of types known only now
    return wanted


def _channel(topic: topics.Topic) -> dict[str, Any]:
    name = EVENTS[topic.name].__name__ if topic.name in EVENTS else None
    if topic.name.startswith(topics.SEND.name) and name is None:
        name = SendRequest.__name__
    payload = {"$ref": f"#/components/schemas/{name}"} if name else {"description": "the source record, unchanged"}
    return {
        "address": topic.name,
        "description": f"{topic.purpose} Written by {topic.owner}.",
        "messages": {
            name or "SourceRecord": {
                "headers": HEADERS,
                "payload": payload,
                "bindings": {"kafka": {"key": {"type": "string", "description": topic.key}}},
            }
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": ["compact" if topic.compacted else "delete"],
                    **({} if topic.compacted else {"retention.ms": topic.retention_ms}),
                    "max.message.bytes": topic.max_message_bytes,
                },
            }
        },
    }


def schemas() -> dict[str, dict[str, Any]]:
    """A JSON Schema of each event and each request, by file name; each stands alone."""
    found = {}
    for kind, version in VERSIONS.items():
        (reference,), parts = msgspec.json.schema_components([_documented(kind)], ref_template="#/$defs/{name}")
        own = parts.pop(reference["$ref"].rpartition("/")[2])
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()
        found[name] = _identified(name, version, own | ({"$defs": parts} if parts else {}))
    for name, request in REQUESTS.items():
        found[name] = _identified(name, 1, _plain(request.model_json_schema(by_alias=True)))
    return {f"schemas/{name}.json": schema for name, schema in found.items()}


def _plain(schema: Any) -> Any:
    """Without OpenAPI's `discriminator`: JSON Schema has none, and AsyncAPI's is another thing of that name."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _plain(part) for name, part in schema.items()}
    if isinstance(kept.get("discriminator"), dict) and "propertyName" in kept["discriminator"]:
        del kept["discriminator"]
    return kept


def _identified(name: str, version: int, schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "$schema": DRAFT, "$id": f"urn:whatsapp-cloud:{name}:{version}"}


def openapi(service: str) -> dict[str, Any]:
    """The OpenAPI document of one service, as its application states it."""
    app = __import__(f"{service}.app", fromlist=["build_app"])
    settings = __import__(f"{service}.settings", fromlist=["Settings"])
    schema: dict[str, Any] = app.build_app(settings.Settings(**REQUIRED.get(service, {}))).openapi_schema.to_schema()
    return schema


def merged(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One document of the whole API. Raises `ValueError` when two services mean different things by one name."""
    paths: dict[str, Any] = {}
    components: dict[str, dict[str, Any]] = {}
    for document in documents:
        _add(paths, document["paths"])
        for kind, named in document.get("components", {}).items():
            _add(components.setdefault(kind, {}), named)
    about = {"title": "WhatsApp Cloud", "version": "1", "description": "Generated from the documents of the services."}
    return {
        "openapi": documents[0]["openapi"],
        "info": about,
        "servers": LOCAL,
        "paths": paths,
        "components": components,
    }


def _add(to: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if to.setdefault(name, value) != value:
            raise ValueError(f"two services mean different things by `{name}`")


def documents() -> dict[str, str]:
    """File name → content."""
    of_services = {name: openapi(name) for name in SERVICES}
    contents = {
        "asyncapi.json": asyncapi(),
        "openapi.json": merged([*of_services.values()]),
        **{f"openapi-{name}.json": document for name, document in of_services.items()},
        **schemas(),
    }
    page = settings_table.page(settings_table.PAGE.read_text(encoding="utf-8"))
    return {**{f"contracts/{name}": _text(value) for name, value in contents.items()}, "operations.md": page}


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    """Write or compare the files; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 when a checked-in document is out of date")
    check = parser.parse_args().check
    try:
        wanted = documents()
    except settings_table.Undescribed as error:
        print(error)
        return 1
    stale = write_stale({name: (FOLDER.parent / name, content) for name, content in wanted.items()}, check=check)
    gone = [
        path for path in sorted((FOLDER / "schemas").glob("*.json")) if f"contracts/schemas/{path.name}" not in wanted
    ]
    stale += [f"contracts/schemas/{path.name} (belongs to no topic or request)" for path in gone]
    if not check:
        for path in gone:
            path.unlink()
    if check and stale:
        print(f"docs out of date: {', '.join(stale)}; run 'make contracts'")
        return 1
    print(f"docs: {'written ' + ', '.join(stale) if stale else 'contracts and settings are up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
