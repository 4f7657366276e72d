"""Writes docs/contracts: AsyncAPI of the topics, OpenAPI of each service. `make contracts`; `--check` compares only."""

import argparse
import base64
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from common.contracts import topics
from common.contracts.accounts import AccountChanged
from common.contracts.messages import IncomingMessage, MessageStatus
from common.contracts.numbers import NumberNews
from common.contracts.operators import LetterReplayed
from common.contracts.sends import SendRequest, SendResult
from common.contracts.webhooks import WebhookReceived

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "contracts"
SERVICES = ("ingress", "conversation", "sender", "accounts")
EVENTS: dict[str, type[msgspec.Struct]] = {
    topics.WEBHOOKS.name: WebhookReceived,
    topics.INCOMING_MESSAGES.name: IncomingMessage,
    topics.MESSAGE_STATUS.name: MessageStatus,
    topics.SEND_RESULTS.name: SendResult,
    topics.ACCOUNTS.name: AccountChanged,
    topics.NUMBERS.name: NumberNews,
    topics.DLQ_AUDIT.name: LetterReplayed,
}
REQUIRED: dict[str, dict[str, Any]] = {  # settings without a default; nothing is contacted
    "sender": {"accounts_internal_key": "fake-key"},
    "accounts": {"accounts_keks": {"fake": base64.b64encode(bytes(32)).decode()}},
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
    kinds = [_documented(WebhookReceived), *(kind for kind in EVENTS.values() if kind is not WebhookReceived)]
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    request = SendRequest.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    schemas = {**components, **request.pop("$defs", {}), "SendRequest": request}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "WhatsApp Cloud topics", "version": "1", "description": "Generated from common.contracts."},
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in topics.ALL},
        "components": {"schemas": schemas},
    }


def _documented(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The same structure with a fragment of Meta as any JSON, for which a schema can be stated."""
    fields: list[Any] = []
    for field in msgspec.structs.fields(kind):
        wanted = field.type
        if wanted is msgspec.Raw:
            fields.append((field.name, Any, msgspec.field(default=None)))
            continue
        if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
            wanted = _documented(wanted)
        required = field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
        fields.append((field.name, wanted) if required else (field.name, wanted, field.default))
    made = msgspec.defstruct(kind.__name__, fields, kw_only=True, rename="camel")
    made.__doc__ = kind.__doc__
    return made


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


def openapi(service: str) -> dict[str, Any]:
    """The OpenAPI document of one service, as its application states it."""
    app = __import__(f"{service}.app", fromlist=["build_app"])
    settings = __import__(f"{service}.settings", fromlist=["Settings"])
    schema: dict[str, Any] = app.build_app(settings.Settings(**REQUIRED.get(service, {}))).openapi_schema.to_schema()
    return schema


def documents() -> dict[str, str]:
    """File name → content."""
    contents = {"asyncapi.json": asyncapi(), **{f"openapi-{name}.json": openapi(name) for name in SERVICES}}
    return {name: _text(value) for name, value in contents.items()}


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 when a checked-in document is out of date")
    check = parser.parse_args().check
    FOLDER.mkdir(parents=True, exist_ok=True)
    stale = []
    for name, content in documents().items():
        path = FOLDER / name
        if not path.exists() or path.read_text() != content:
            stale.append(name)
            if not check:
                path.write_text(content)
    if check and stale:
        print(f"out of date: {', '.join(stale)}; run 'make contracts'")
        return 1
    print(f"docs/contracts: {'written ' + ', '.join(stale) if stale else 'up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
